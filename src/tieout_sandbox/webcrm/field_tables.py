"""The fields of every resource, as short tables: `Name` text, `Name:50` text of at most so many
characters, `:i` whole number, `:n` number, `:b` yes or no, `:d` date-time, `:l` list of ids,
`=A|B` one of these names, `Name1-9` nine of them. Each name gets the resource's prefix.
"""

from __future__ import annotations

_ENTITY_TYPES = (
    "Undefined|Organisation|Person|Activity|Meeting|Opportunity|Delivery|Product|SupportCase"
    "|SupportFaq"
)

ORGANISATION = """
Address:250 Alert:50 ApprovalStatus:i City:50 Comment CompareName:500 Country:50 CreatedAt:d
CreatedBy DivisionName:200 Domain:50 ExtraCustom1-8:50 Fax:50 Gps:50 Id:i ImageFileExtension
Industry:50 LastDisplayedAt:d
LastItemType=Undefined|Activity|Opportunity|Delivery|Meeting|SupportCase LastItemUpdatedAt:d
MarketDataId MarketDataProviderId:i Name:200 NoAds:b History OutlookSync:i OverlayUrl Owner:i
Owner2:i PostCode ReportTemp:i Sla:i State Status Telephone:50 TelephoneSearch TerritoryId:i
Type UpdatedAt:d UpdatedBy VatCountry:10 VatGroup:20 VatNumber:50 VatStatus VatVerifiedAt:d
Www:50 XDate1-2:d XInt1-8:i XMemo1-2 XText1-8:50 Plus1-20 Custom1-15 Memo
"""

PERSON = """
Birthday:d BlockMassEmail:b BlockMassEmail2:b CampaignPassword CampaignWrongPasswordCount:i
CheckMark1-10:b Comment CreatedAt:d CreatedBy DirectPhone Email Email2 EmailBounces:b
Email2Bounces:b FirstName Id:i ImageFileExtension LastLoginDateTime:d LastName LoginLog
MarketDateId MemberGroupId:i MemberLanguageId:i MemberNumber MemberPassword MemberStartDate:d
MemberStatusId:i MemberWrongPasswordCount:i MiddleName MobilePhone Name History
OrganisationId:i Password Salutation Skype SortOrder:i Status=Active|Resigned|Other|Guest
SupportLanguageId:i TelephoneSearch Title UpdatedAt:d UpdatedBy Plus1-20 Custom1-15 Memo
"""

OPPORTUNITY = """
AssignedTo:i AssignedTo2:i Comment CreatedAt:d CreatedBy CurrencyName Description Discount:n
ErpId ErpReadOnly ErpStatus=NotReadyForSynchronization|ReadyForSynchronization|Synchronized
ErpSyncDateTime:d GmRevenue1-12:n History Id:i Level:i LevelText Lost1-3 LostDate:d
NextFollowUp:d Note Number OrderDate:d OrderGmValue:n OrderValue:n OrganisationId:i Percent:i
PersonId:i Product ProductId:i QuotationLanguageId:i Revenue1-12:n Search1-2 SpentTime
UpdatedAt:d UpdatedBy UserGroupId:i WinPercent:i WinPercent2:i WinYesNo:b Plus1-20 Custom1-15
Memo
"""

DELIVERY = """
AssignedTo:i AssignedTo2:i Comment CreatedAt:d CreatedBy CurrencyName Description Discount:n
ErpId ErpReadOnly ErpStatus=NotReadyForSynchronization|ReadyForSynchronization|Synchronized
ErpSyncDateTime:d GmRevenue1-12:n History Id:i NextFollowUp:d Note Number
OpportunityCustom1-15 OpportunityMemo OpportunityPlus1-20 OrderDate:d OrderGmValue:n
OrderValue:n OrganisationId:i Percent:i PersonId:i Product ProductId:i QuotationLanguageId:i
Responsible:i Revenue1-12:n Risk=NoRisk|Small|Medium|High|Crises Search1-2 SpentTime
Status=New|Planned|OnGoing|Completed|GeneralDelivery Type:i UpdatedAt:d UpdatedBy
UserGroupId:i WinPercent:i WinPercent2:i WinYesNo:b WonDate:d Plus1-20 Custom1-15 Memo
"""

QUOTATION_LINE = """
Comment CostPrice:n CreatedAt:d CreatedBy Data1-9 Discount:n Id:i ListPrice:n Memo
OpportunityId:i OrganisationId:i PersonId:i Price:n Quantity:n SortOrder:i StockStatus
UpdatedAt:d UpdatedBy VatPercentage:n
"""

LINKED_DATA_ITEM = f"""
Data1-9 DataMemo
EntityType={_ENTITY_TYPES}
Id:i ItemGroup Price:n
"""

QUOTATION_LINE_LINKED_DATA_ITEM = f"""
CostPrice:n VatCode Data1-9 DataMemo
EntityType={_ENTITY_TYPES}
Id:i ItemGroup Price:n
"""

PRODUCT = """
Combined Comment CostPrice:n CreatedAt:d CreatedBy Discount:n Id:i ListPrice:n History
OrganisationId:i PersonId:i Price:n ProductYear:i Quantity:n SortOrder:i StockStatus
UpdatedAt:d UpdatedBy VatCode Plus1-20 Custom1-15 Memo
"""

_SCHEMES = "|".join((*(f"Scheme{number}" for number in range(10)), "Dashboard"))
USER = f"""
AccessId:i AccessLevel:i AddressFormat=Scandinavian|UK|US AdvancedGroups AuthenticationCode
BccEmail BccMode=NoTag|TagBeginning|TagEnd BccTag BudgetNote
CalendarColorScheme={_SCHEMES}
CreatedAt:d CreatedBy CurrencyName
DateFormat=DDhMMhYYYY|YYYYhMMhDD|MMsDDsYYYY|DDpMMpYYYY|YYYYpMMpDD DecimalPoint
DefaultSupportCaseChannel:i DefaultMemberGroupId:i DefaultOpportunity2ndResponsible:i
DefaultOrganisation2ndResponsible:i Email GmtDifference:i GroupId:i Id:i Initials
IntegrationId IpRestrict IsRestApiEnabled:b IsSpellCheckerEnabled:b
IsSupportCaseAvailableStatusEnabled:b LanguageId:i LastLoginDateTime:d LastTryDateTime:d
LoginCount:i LoginLog LoginName MobilePhone Name Password PasswordInUrl:b PasswordUpdatedAt:d
PhoneParameters SmsLogin:i SoftCall SupportCaseExpirationDateTime:d SupportCaseLatest:d
SupportCaseNotificationType=Never|StatusEmail|StatusEmailAndMessage|Default
SupportCaseStatus=Available|Busy|OffLine|Absent SynchronizationMode=Enabled|Disabled Telephone
Territories Ticket TicketExpirationDateTime:d TimeFormat=Hours24|Hours12 Title UpdatedAt:d
UpdatedBy WrongPasswordCount:i Custom1-15 Memo
"""

DOCUMENT = """
Id:i CampaignPublic CreatedAt:d CreatedBy Description File FileCode FileExtension FileName
FileSize:i Folder IsAllowedAsAttachment:b LanguageCode:i LastUpdatedAt:d LastUpdatedBy
LinkedEntityType=Undefined|Organisation|Person|Activity|Product|Opportunity|Delivery|Meeting|Support
LinkedEntityId:i OrganisationId:i PublicLink Territory:i UserGroup:i UserId:i UploadedAt:d
UploadCount:i
"""

ACTIVITY = """
Action AssignedTo:i AutoCompleteMode=None|Complete|Delete CampaignDate:d CampaignId:i
CampaignResult ClientName ClientTelephone Comment CreatedAt:d CreatedBy DateTime:d Description
EventId:i Id:i Note OpportunityId:i OrganisationId:i OutlookSync:i PersonId:i Product
Status=Planned|Active|Completed Type UpdatedAt:d UpdatedBy Plus1-20 Custom1-15 Memo
"""

EVENT = """
AssignedTo:i Comment CreatedAt:d CreatedBy DateTime:d Description Duration GroupId:i History
Id:i Location=Out|Home OrganisationId:i OtherParticipates OutlookSync:i ParticipantIds:l
PersonId:i Site Status=Confirmed|Draft|Cancelled
Type=Meeting|Private|Private24|PrivateDayOff|Holiday UpdatedAt:d UpdatedBy Plus1-20 Custom1-15
Memo
"""

SUPPORT_CASE = """
Action AssignedTo:i CcBcc Channel:i CloseReason CreatedAt:d CreatedBy Deadline:d Description
Duration:n History Id:i NotificationType=Never|StatusEmail|StatusEmailAndMessage|Default
OpportunityId:i OrganisationId:i OwnerId:i PersonId:i Priority=Undefined|High|Medium|Low
Product ProductId:i Solution Source=Unknown|Email|Telephone|Fax|Website|LandingPage|Other
SpentTime Status=Created|Ongoing|Closed Subject Ticket:i UpdatedAt:d UpdatedBy Plus1-20
Custom1-15 Memo
"""

RELATION = """
Code:i Comment CreatedAt:d CreatedBy Id:i Organisation1Id:i Organisation2Id:i Person1Id:i
Person2Id:i
Type=Undefined|PersonToPerson|OrganisationToPerson|OrganisationToOrganisation|LinkedOrganisations
UpdatedAt:d UpdatedBy
"""

REVENUE = """
CreatedAt:d CreatedBy Date:d GmRevenue1-12:n Id:i Memo MonthsText OpportunityId:i
OrganisationId:i RepeatMonth:i RepeatUntil:d Revenue1-12:n Text TotalGmReveue:n TotalRevenue:n
UpdatedAt:d UpdatedBy
"""

_BUDGET_TYPES = (
    "Undefined|Opportunity1stResponsible|Opportunity2ndResponsible"
    "|Opportunity1stOr2ndResponsible|Organisation1stResponsible|Organisation2ndResponsible"
    "|Organisation1stOr2ndResponsible|OrganisationTerritory|OrganisationType"
    "|OrganisationIndustry|SpecificOrganisation|OpportunityMainProductService"
    "|OpportunitySearchLabel1|OpportunitySearchLabel2|AllOpportunitiesAndDeliveries"
)
BUDGET = f"""
AccessLevel:i Comment CreatedAt:d CreatedBy CurrencyName DisplayOrder:i GmRevenue1-12:i
GmRevenueNumber:i Id:i LanguageId:i MonthCount:i Name Precision:i RefIdNumber:i RefIdText
Revenue1-12:i RevenueNumber:i RevenueType=Undefined|Revenue|SplitRevenue StartDate:d
TerritoryId:i
Type={_BUDGET_TYPES}
UpdatedAt:d UpdatedBy UserGroupId:i UserId:i
"""

MILESTONE = """
ActualBillableHours:n ActualEndDate:d ActualRevenue1-12:n ActualStartDate:d ActualWorkHours:n
ApprovedAt:d ApproverId:i ApproverName AssignedTo:i
BillingStatus=NoBilling0|NoBilling1|NoBilling2|Ongoing|WhenCompleted|HasBeenInvoiced Comment
CompleteDate:d CreatedAt:d CreatedBy Description Id:i LockerId:i LockerName OpportunityId:i
OrganisationId:i PlannedBillableHours:n PlannedEndDate:d PlannedRevenue1-12:n
PlannedStartDate:d PlannedWorkHours:n Status=New|Planned|Ongoing|StandBy|Complete UpdatedAt:d
UpdatedBy Custom1-15 Memo
"""

TIME_EXPENSE = """
BillableHours:n CreatedAt:d CreatedBy Date:d EndDate:d FixedPrice:n FixedPriceText Id:i
MilestoneId:i OpportunityId:i OrganisationId:i OvertimeBillableHours:n StartDate:d Text
TravelHours:n Type=Undefined|T|E|M|A|Delivery|Time UpdatedAt:d UpdatedBy UserId:i WorkHours:n
"""

LINKED_SETUP = f"""
EntityType={_ENTITY_TYPES}
Field1-9:i Id:i IsUniqueValueRequired:b LinkMode=Regular|Multiselect
LookupMode=DropdownLists|FreeTextSearch MemoField:i UseItemGroup:b
"""

_EDIT_MODES = (
    "Never|Always|WhenListPriceIsZero"
    "|WhenItemGroupContainsAsterix|WhenItemGroupContainsAtsign|WhenItemGroupContainsUnderscore"
)
QUOTATION_LINE_LINKED_SETUP = f"""
CostPriceLabel ListPriceLabel PriceLabel QuantityLabel FontSize:i FontFamily HighlightVat:b
UseCostPrice:b UseCustomMemo:b UseLinkedField1-9:b UseListPrice:b UseQuantity:b UseDiscount:b
UsePriceLine:b UsePriceTotal:b UseTotalDiscount:b UseIntegerPrice:b UseIntegerQuantity:b
UseIntegerDiscount:b UseRevenue:b UseLineNumber:b UseSpacer:b UseVat:b UseVatPerLine:b
CostPriceConditionField CostPriceConditionValue PastAsCostPrice:b
CostPriceEditMode={_EDIT_MODES}
IsImageEnabled:b ImageUrl ImageWidth:i ImageHeight:i CreateDateField UpdateDateField
EntityType={_ENTITY_TYPES}
Field1-9:i Id:i IsUniqueValueRequired:b LinkMode=Regular|Multiselect
LookupMode=DropdownLists|FreeTextSearch MemoField:i UseItemGroup:b
"""

PERSON_B2C = """
Birthday:d Address Alert CampaignPassword CampaignWrongPasswordCount:i CheckMark1-10:b City
Comment Country DirectPhone Email Email2 ExtraCustom1-8 Fax FirstName Gps History Id:i
Industry LastLoginDateTime:d LastName MemberGroupId:i MemberLanguageId:i MemberNumber
MemberPassword MemberStartDate:d MemberStatusId:i MemberWrongPasswordCount:i MiddleName
MobilePhone OrganisationComment OrganisationId:i OrganisationStatus OverlayUrl Owner:i
Owner2:i PostCode Salutation SortOrder:i State Status=Active|Resigned|Other|Guest Telephone
TerritoryId:i Title Type VatGroup Www Person1Custom1-15 Person1Memo Person1Plus1-20
Person2Custom1-15 Person2Memo
"""

EMAIL_SUPPORT = """
AttachmentsString Body DateTime:d Direction=Outbound|Inbound Id:i OrganisationId:i SenderId:i
SenderName Subject SupportCaseId:i
"""
