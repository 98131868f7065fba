"""The properties of every resource. How to read a line: see `fields`."""

from __future__ import annotations

from tieout_sandbox.visma_eaccounting.fields import Schema

CUSTOMER = Schema(
    "CustomerApi",
    """
    Id id R
    CustomerNumber s16
    CorporateIdentityNumber s20
    ContactPersonEmail s255
    ContactPersonMobile s50
    ContactPersonName s100
    ContactPersonPhone s50
    CurrencyCode s3
    GLN s
    EmailAddress s255
    EmailAddressOrder s255
    EmailAddressQuote s255
    InvoiceAddress1 s50
    InvoiceAddress2 s50
    InvoiceCity s50 !
    InvoiceCountryCode s2
    InvoicePostalCode s10 !
    DeliveryCustomerName s100
    DeliveryAddress1 s50
    DeliveryAddress2 s50
    DeliveryCity s50
    DeliveryCountryCode s2
    DeliveryPostalCode s10
    DeliveryMethodId id
    DeliveryTermId id
    PayToAccountId id R
    Name s50 !
    Note s4000
    ReverseChargeOnConstructionServices b
    WebshopCustomerNumber i
    MobilePhone s50
    Telephone s50
    TermsOfPaymentId id !
    TermsOfPayment o R
    VatNumber s20
    WwwAddress s255
    LastInvoiceDate d R
    IsPrivatePerson b !
    IsNorthernIreland b
    DiscountPercentage n4 0..1
    ChangedUtc t R
    IsActive b !
    ForceBookkeepVat b
    EdiGlnNumber s255
    SalesDocumentLanguage s2
    ElectronicAddress s255
    ElectronicReference s35
    EdiServiceDelivererId s255
    AutoInvoiceActivationEmailSentDate d R
    AutoInvoiceRegistrationRequestSentDate d R
    EmailAddresses l5
    CustomerLabels r
    MessageThreads l R
    Notes l R
    IsFutureInvoiceDateAllowed b R
    DeliveryBasedVat b
    SalesPriceListId id
    Iban s35
    DirectDebitCustomerSettings o
    DiscountAgreementId id
    UnpaidInvoicesAmount n R
    TaxDeductionNumber s
    PropertyType i {1,2}
    PropertyReference s40
    RequiresReferenceNumber b R
    IsDirectDebitEnabled b
    """,
)

ARTICLE = Schema(
    "ArticleApi",
    """
    Id id R
    IsActive b !
    Number s40 !
    Name s50 !
    NameEnglish s50
    NetPrice n2
    NetPriceWithDiscount n R
    GrossPrice n2
    CodingId id !
    CodingName s R
    UnitId id !
    UnitName s R
    UnitAbbreviation s R
    StockBalance n =0
    StockBalanceManuallyChangedUtc t R
    StockBalanceReserved n R =0
    StockBalanceAvailable n R =0
    CreatedUtc t R
    ChangedUtc t R
    HouseWorkType i =0
    PurchasePrice n =0
    PurchasePriceManuallyChangedUtc t R
    SendToWebshop b
    UsesMoss b
    ArticleLabels r
    MessageThreads l R
    Notes l R
    IsStock b
    ShowStockInformation b
    IsServiceArticle b R
    StockLocationReference s
    FreightCosts n =0
    FreightCostsManuallyChangedUtc t R
    UpdateStockPrices b
    Barcodes r
    StockValue n R =0
    GreenTechnologyType i =0
    DiscountPercentage n R
    """,
)

DRAFT = Schema(
    "CustomerInvoiceDraftApi",
    """
    Id id R
    CustomerId id !
    CreatedUtc t R
    IsCreditInvoice b
    RotReducedInvoicingType i ! {0,1,2}
    RotReducedInvoicingPropertyName s40
    RotReducedInvoicingOrgNumber s11
    RotReducedInvoicingAmount n2 =0
    RotReducedInvoicingAutomaticDistribution b
    RotPropertyType i {1,2}
    HouseWorkOtherCosts n2 =0
    Rows o
    Persons o
    YourReference s100
    OurReference s100
    BuyersOrderReference s35
    ElectronicReference s100
    InvoiceCustomerName s R
    InvoiceAddress1 s50
    InvoiceAddress2 s50
    InvoicePostalCode s R
    InvoiceCity s R
    InvoiceCountryCode s R
    InvoiceCurrencyCode s R
    DeliveryCustomerName s50
    DeliveryAddress1 s50
    DeliveryAddress2 s50
    DeliveryPostalCode s10
    DeliveryCity s50
    DeliveryCountryCode s2
    DeliveryMethodName s50
    DeliveryTermName s50
    DeliveryMethodCode s20
    DeliveryTermCode s20
    EuThirdParty b !
    CustomerIsPrivatePerson b R
    ReverseChargeOnConstructionServices b R
    SalesDocumentAttachments l R
    MessageThreads l R
    Notes l R
    InvoiceDate d
    DueDate d
    DeliveryDate d
    TotalAmount n R
    TotalVatAmount n R
    TotalRoundings n R
    TotalAmountBaseCurrency n R
    TotalVatAmountBaseCurrency n R
    CustomerNumber s R
    CustomerName s R
    IncludesVat b R
    ReplaceUnitPriceWhenZero b
    UsesGreenTechnology b
    ContributionMargin o R
    IsDirectDebit b
    SubscriptionNumber s100
    ContractNumber s100
    TermsOfPaymentId id
    MaxAllowedTaxReductionAmount n R
    BackgroundId id
    """,
)

DRAFT_ROW = Schema(
    "CustomerInvoiceDraftRowApi",
    """
    Id id R
    LineNumber i 0..1000
    ArticleId id
    IsServiceArticle b R
    UnitId id R
    ArticleNumber s R
    IsTextRow b !
    Text s2000
    UnitPrice n
    DiscountPercentage n4 0..1
    Quantity n
    WorkCostType i =0
    IsWorkCost b
    WorkHours n =0
    MaterialCosts n =0
    ReversedConstructionServicesVatFree b !
    CostCenterItemId1 id
    CostCenterItemId2 id
    CostCenterItemId3 id
    UnitAbbreviation s R
    UnitAbbreviationEnglish s R
    VatRateId id R
    UnitName s R
    ProjectId id
    GreenTechnologyType i {0,1,2,3} =0
    ContributionMargin o R
    VatRate n R
    IsDiscountInFixedAmount b R
    DiscountFixedAmount n R
    PurchasePrice n R =0
    FreightCosts n R =0
    Amount n R
    """,
)

INVOICE = Schema(
    "CustomerInvoiceApi",
    """
    Id id R
    EuThirdParty b !
    IsCreditInvoice b
    CurrencyCode s R
    CurrencyRate n
    CreatedByUserId id R
    TotalAmount n R
    TotalVatAmount n R
    TotalRoundings n R
    TotalAmountInvoiceCurrency n R
    TotalVatAmountInvoiceCurrency n R
    SetOffAmountInvoiceCurrency n R
    CustomerId id !
    Rows o
    VatSpecification o R
    InvoiceDate d
    DueDate d
    DeliveryDate d
    RotReducedInvoicingType i ! {0,1,2}
    RotReducedInvoicingAmount n2 =0
    RotReducedInvoicingPercent n R
    RotReducedInvoicingPropertyName s
    RotReducedInvoicingOrgNumber s11
    Persons o
    RotReducedInvoicingAutomaticDistribution b R
    ElectronicReference s
    ElectronicAddress s R
    EdiServiceDelivererId s
    OurReference s100
    YourReference s100
    BuyersOrderReference s35
    InvoiceCustomerName s R
    InvoiceAddress1 s50
    InvoiceAddress2 s50
    InvoicePostalCode s50
    InvoiceCity s50
    InvoiceCountryCode s2
    DeliveryCustomerName s100
    DeliveryAddress1 s50
    DeliveryAddress2 s50
    DeliveryPostalCode s10
    DeliveryCity s50
    DeliveryCountryCode s2
    DeliveryMethodName s R
    DeliveryTermName s R
    DeliveryMethodCode s R
    DeliveryTermCode s R
    CustomerIsPrivatePerson b R
    TermsOfPaymentId id
    CustomerEmail s R
    InvoiceNumber i R
    CustomerNumber s R
    CustomerName s R
    PaymentReferenceNumber s R
    RotPropertyType i {1,2}
    SalesDocumentAttachments l R
    MessageThreads l R
    Notes l R
    HasAutoInvoiceError b R
    IsNotDelivered b R
    ReverseChargeOnConstructionServices b R
    WorkHouseOtherCosts n2
    RemainingAmount n R
    RemainingAmountInvoiceCurrency n R
    ReferringInvoiceId id R
    CreatedFromOrderId id R
    CreatedFromDraftId id
    VoucherNumber s R
    VoucherId id R
    CreatedUtc t R
    ModifiedUtc t R
    ReversedConstructionVatInvoicing b R
    IncludesVat b R
    SendType i {0,1,2,3,4}
    PaymentReminderIssued b R
    UsesGreenTechnology b
    IsSold b R
    FactoringInvoiceStatus i R
    PaymentDate d R
    PaymentStatus i R
    CreditedBy o R
    ContributionMargin o R
    IsDirectDebit b
    SubscriptionNumber s100
    ContractNumber s100
    CreatedFromQuoteId id R
    PaymentRemindersCount i R
    LastPaymentReminderSentDate d R
    IsQuickInvoice b R
    IsCollectiveInvoice b R
    CollectiveCustomerInvoiceRowsRelationToOrders l R
    ReplaceUnitPriceWhenZero b
    TaxDeductionStatus i R
    BackgroundId id
    """,
)

INVOICE_ROW = Schema(
    "CustomerInvoiceRowApi",
    """
    Id id R
    ArticleNumber s R
    ArticleId id
    IsServiceArticle b R
    AmountNoVat n R
    PercentVat n R
    LineNumber i R
    IsTextRow b R
    Text s2000
    UnitPrice n
    UnitAbbreviation s R
    UnitAbbreviationEnglish s R
    DiscountPercentage n4 0..1
    Quantity n
    IsWorkCost b R
    IsVatFree b
    CostCenterItemId1 id
    CostCenterItemId2 id
    CostCenterItemId3 id
    UnitId id R
    ProjectId id
    WorkCostType i =0
    WorkHours n =0
    MaterialCosts n =0
    GreenTechnologyType i {0,1,2,3} =0
    ContributionMargin o R
    VatRate n R
    Amount n R
    IsDiscountInFixedAmount b R
    DiscountFixedAmount n R
    """,
)

ORDER = Schema(
    "OrderApi",
    """
    Id id R
    Amount n R
    CustomerId id !
    CurrencyCode s3 !
    CreatedUtc t R
    VatAmount n R
    RoundingsAmount n R
    DeliveredAmount n R
    DeliveredVatAmount n R
    DeliveredRoundingsAmount n R
    DeliveryCustomerName s100
    DeliveryAddress1 s50
    DeliveryAddress2 s50
    DeliveryPostalCode s10
    DeliveryCity s50
    DeliveryCountryCode s2
    YourReference s100
    OurReference s100
    BuyersOrderReference s35
    InvoiceAddress1 s50
    InvoiceAddress2 s50
    InvoiceCity s50
    InvoiceCountryCode s2
    InvoiceCustomerName s50
    CustomerNumber s R
    CustomerName s R
    InvoicePostalCode s10
    DeliveryMethodName s50
    DeliveryMethodCode s20
    DeliveryTermName s50
    DeliveryTermCode s20
    EuThirdParty b !
    CustomerIsPrivatePerson b R
    IncludesVat b R
    OrderDate d !
    Status i ! {1,2,3,4}
    Number i R
    ModifiedUtc t R
    DeliveryDate d
    HouseWorkAmount n2 =0
    HouseWorkAutomaticDistribution b
    HouseWorkCorporateIdentityNumber s20
    HouseWorkPropertyName s100
    SalesDocumentAttachments l R
    MessageThreads l R
    Notes l R
    Rows o
    ShippedDateTime t R
    RotReducedInvoicingType i ! {0,1,2}
    RotReducedInvoicingPercent n R
    RotPropertyType i {1,2}
    Persons o
    ReverseChargeOnConstructionServices b !
    UsesGreenTechnology b
    IsNotDelivered b R
    ContributionMargin o R
    TermsOfPaymentId id
    CreatedFromQuoteId id R
    """,
)

ORDER_ROW = Schema(
    "OrderRowApi",
    """
    Id id R
    LineNumber i ! 0..1000
    DeliveredQuantity n2
    ArticleId id
    IsServiceArticle b R
    UnitId id R
    ArticleNumber s R
    IsTextRow b !
    Text s2000
    UnitPrice n
    Amount n R
    DiscountPercentage n4 0..1
    Quantity n
    WorkCostType i =0
    IsWorkCost b !
    WorkHours n =0
    MaterialCosts n =0
    EligibleForReverseChargeOnVat b !
    CostCenterItemId1 id
    CostCenterItemId2 id
    CostCenterItemId3 id
    ProjectId id
    GreenTechnologyType i {0,1,2,3} =0
    ContributionMargin o R
    """,
)

PAYMENT = Schema(
    "InvoicePaymentApi",
    """
    CompanyBankAccountId id !
    PaymentDate d !
    Reference s100
    PaymentAmount n2 !
    PaymentCurrency s3 !
    DomesticPaymentAmount n2
    BankFeeAmount n2 0..1000000000
    PaymentType i ! {1,2,3,4}
    FactoringFeeAmount n2
    FactoringFeeAccountNumber i
    BankTransactionId id R
    """,
)

LEDGER_ITEM = Schema(
    "CustomerLedgerItemApi",
    """
    CurrencyCode s3 !
    CurrencyRate n
    CurrencyRateUnit i
    CustomerId id !
    DueDate d !
    Id id R
    InvoiceDate d !
    InvoiceNumber i !
    IsCreditInvoice b !
    PaymentReferenceNumber s
    RemainingAmountInvoiceCurrency n2 !
    RoundingsAmountInvoiceCurrency n2 !
    TotalAmountInvoiceCurrency n2 !
    VATAmountInvoiceCurrency n2 !
    VoucherId id !
    ModifiedUtc t R
    """,
)

CHECK = Schema(
    "CustomerInvoiceDraftValidationApi",
    """
    TotalAmountInvoiceCurrency n
    TotalVatAmountInvoiceCurrency n
    TotalRoundingsInvoiceCurrency n
    Rows o
    """,
)

CHECK_ROW = Schema(
    "CustomerInvoiceDraftValidationRowApi",
    """
    LineNumber i
    TotalAmountNoVatInvoiceCurrency n
    TotalAmountIncVatInvoiceCurrency n
    """,
)
