"""The properties of what hangs on documents: notes, projects, messages, links, mails."""

from __future__ import annotations

from tieout_sandbox.visma_eaccounting.fields import Schema

NOTE = Schema(
    "NoteApi",
    """
    Id id R
    UserId id R
    AttachedTo id
    Text s256 !
    Subject s40
    DocumentType i
    CreatedUtc t R
    ModifiedUtc t R
    IsDone b
    """,
)

PROJECT = Schema(
    "ProjectApi",
    """
    Id id R
    Number s9 !
    Name s200 !
    StartDate d !
    EndDate d
    CustomerId id
    CustomerName s R
    Notes s500
    Status i {1,2}
    ModifiedUtc t R
    """,
)

COST_CENTER_ITEM = Schema(
    "CostCenterItemApi",
    """
    CostCenterId id !
    Id id R
    Name s50 !
    ShortName s9 !
    IsActive b !
    CreatedUtc t R
    """,
)

ATTACHMENT_UPLOAD = Schema(
    "SalesDocumentAttachmentUploadApi",
    """
    ContentType s !
    FileName s !
    DockumentId id !
    Data s
    Url s
    """,
)

THREAD = Schema(
    "MessageThreadApi",
    """
    Message s256 !
    DocumentType i !
    DocumentId id
    Subject s40
    MessageReceivers o
    """,
)

PARTNER_LINK = Schema(
    "PartnerResourceLinkApi",
    """
    Id id R
    ResourceId id !
    ResourceType i ! {0,1,2,3,4,5,6}
    Href s !
    PartnerCompanyName s !
    PartnerSystemName s !
    """,
)

EMAIL = Schema(
    "EmailApi",
    """
    Email s
    CcRecipients l5
    Subject s
    Message s
    """,
)

PRICE_ROW = Schema(
    "SalesPriceListRowApi",
    """
    SalesPriceListId id R
    ArticleId id R
    NetPrice n
    GrossPrice n
    CurrencyCode s3 R
    ChangedUtc t R
    """,
)
