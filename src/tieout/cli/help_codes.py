"""What each code means and what to do about it: two sentences, for `tieout help CODE`."""

from __future__ import annotations

from typing import NamedTuple


class Help(NamedTuple):
    """``what`` happened and what it means; ``do``: a command or a place."""

    what: str
    do: str


NOTHING = "Nothing; it is tried again by itself."
TEST = "tieout connection test NAME shows what is missing."
ROTATE = "tieout connection rotate NAME"
DEAL = "Correct the deal in the CRM; it then goes on by itself."
CUSTOMER = "Correct the account in the CRM; it then goes on by itself."
FILE = "Correct the place that is shown, then: tieout config validate"
PLAN = "Read the plan (tieout plan); if it is meant, let it go: tieout run --force"
SHOW = "tieout exceptions show EX-… names both sides; decide there."

CODES: dict[str, Help] = {
    # Deals and their lines
    "item_no_code": Help(
        "A product of the deal has no code in the books, so no draft was made.",
        "Add it to tables/items.csv, or give the product that code in the CRM.",
    ),
    "no_lines": Help("The deal has nothing to invoice.", "Add its products to the deal."),
    "amount_not_lines": Help("The deal's amount is not the sum of its lines.", DEAL),
    "total_below_zero": Help(
        "The deal adds up to less than zero; Tieout never makes a negative invoice.",
        "Finance makes a credit note.",
    ),
    "zero_total": Help("The deal's total is zero, so there is nothing to invoice.", "Nothing."),
    "schedule_not_understood": Help(
        "The billing plan of the deal cannot be read.",
        "Write it as 3, 3 monthly, or part by part: 30% 2026-10-05, rest 2026-11-30.",
    ),
    "credit_without_invoice": Help(
        "A credit note in the books names no invoice, so it belongs to no deal yet.",
        "Finance matches it with its invoice there. It then closes by itself.",
    ),
    "schedule_not_total": Help("The instalments are not the deal's total.", DEAL),
    "net_differs": Help(
        "The books would show another net amount than the deal, by their way of rounding.",
        "Price with as many decimals as the books take, or allow it: flows.documents.tolerance.",
    ),
    "total_differs": Help(
        "The books show another total than was predicted before the write.", SHOW
    ),
    "too_many_decimals": Help(
        "A price or quantity has more decimals than the books hold; nothing is rounded silently.",
        "Change the unit or the price.",
    ),
    "currency_not_allowed": Help(
        "The books do not take the deal's currency.",
        "Change the deal, or books.currency in tieout.yaml.",
    ),
    "discount_no_item": Help(
        "A discount on the whole deal needs an item of its own in the books.",
        "Name it: flows.documents.discount_item in tieout.yaml.",
    ),
    "dimension_missing": Help("The books want a dimension that the deal does not have.", DEAL),
    "buyer_reference_missing": Help(
        "This buyer returns e-invoices without its reference.",
        "Ask the buyer for it and fill it on the deal.",
    ),
    "value_unmapped": Help("A value is not in the table that the mapping names.", "Add it there."),
    "terms_unmapped": Help(
        "Payment terms of the customer are not in the table.", "Add them to tables/terms.csv."
    ),
    "mapping_failed": Help("A mapping gives no value for this record.", FILE),
    "text_too_long": Help("A text is longer than the books hold; it is never cut silently.", DEAL),
    "tax_unresolved": Help(
        "No VAT rule fits a line, because something that it depends on is not known.",
        "Give its item a tax class, complete the customer, or ask finance.",
    ),
    "tax_mixed": Help(
        "Lines of one document would be taxed in ways that exclude each other.", SHOW
    ),
    "period_closed": Help(
        "The document would be booked on a day on which the books are closed.",
        "Finance chooses the date, or opens the period.",
    ),
    "year_ends": Help("The last open financial year ends soon.", "Finance opens the next one."),
    "possible_duplicate": Help(
        "The books hold a document that may be for the same deal, made by somebody else.", SHOW
    ),
    "former_document_stands": Help(
        "A document that the deal had before, deleted or credited, stands again.", SHOW
    ),
    # Customers
    "customer_missing": Help("The deal has no account.", DEAL),
    "customer_maybe_known": Help(
        "Customers in the books could be this account; none is chosen by guessing.",
        "Pick one, or say that it is new: tieout exceptions show EX-…",
    ),
    "customer_in_doubt": Help(
        "The customer may be in the books already; whether it is could not be proven.",
        "Answer the exception of the customer: tieout exceptions list",
    ),
    "customer_not_in_books": Help(
        "The customer is not in the books yet, and may not be made.", SHOW
    ),
    "customer_inactive": Help("The customer is no longer active in the books.", SHOW),
    "owners_without_both": Help(
        "Owners of customers' fields are named, but customers go to the books only.",
        "Set flows.customers.direction to both, or take owners out.",
    ),
    "owner_of_mapped_field": Help(
        "A field that a mapping makes cannot be written back to the CRM.",
        "Take the mapping out, or the owner.",
    ),
    "number_twice_in_crm": Help(
        "Several records of the CRM have the number of one item of the books.",
        "Give all but one of them another number, or none; the one that is left is taken for it.",
    ),
    "price_missing": Help(
        "The books have no price of this item in a price list that the CRM shows. The item is "
        "shown, without a price there: none is made up.",
        "Give it a price in the books, or take the list or its currency out: flows.items.prices.",
    ),
    "price_book_missing": Help(
        "The CRM has no price list of the name that the configuration gives.",
        "Make it there, or name another: flows.items.prices.",
    ),
    "no_standard_price": Help(
        "Salesforce takes a price of a price book only where the standard price book has one in "
        "that currency, and the books have none. None is made up.",
        "Give the item a price for everybody, or send a list there with book: standard.",
    ),
    "currency_not_in_crm": Help(
        "The CRM has one currency, and the books have a price in another.",
        "Name the currencies that it shows: flows.items.prices.",
    ),
    "value_list_emptied": Help(
        "The books tell of no code of that kind any more; the CRM's list is left as it is.",
        "tieout connection test: may it still read them? Else close the values in the CRM.",
    ),
    "value_list_missing": Help(
        "The CRM has no list of values of the name that the configuration gives.",
        "Make it there, in Salesforce as a global value set or a custom picklist field with values "
        "of its own, or name another.",
    ),
    "standard_list": Help(
        "The configuration names a standard field, whose list is not Tieout's to change.",
        "Name a global value set (Payment_Terms) or a custom picklist field "
        "(Account.Payment_Terms__c).",
    ),
    "value_list_twice": Help(
        "Two kinds of codes would go into one list of the CRM, or one kind into two.",
        "Give each kind of codes one list of its own.",
    ),
    "lists_not_written": Help(
        "This CRM's interface lets nobody write its lists of values.",
        "Take flows.reference out. tieout codes --csv gives its administrator the table.",
    ),
    "prices_not_read": Help(
        "The configuration shows price lists, and none of the books has prices that can be read.",
        "Take flows.items.prices out; the list price is shown without it.",
    ),
    "item_gone_in_use": Help(
        "An item that was deleted in the books stands in open deals. It is out of use in the CRM.",
        "Choose another item in those deals before they are won.",
    ),
    "price_list_twice": Help(
        "Two price lists of the books would set the same prices in the CRM.",
        "Give each of them currencies of its own, or keep one.",
    ),
    "deleted_in_crm": Help(
        "What the CRM shows of the books, or a person, was deleted there. It is not made again by"
        " itself.",
        "Restore it in the CRM, or dismiss the exception: it stays away then.",
    ),
    # Persons
    "contact_no_address": Help(
        "A person who should go to the other side has no e-mail address to be recognised by.",
        "Give the person one, or take the person out of flows.contacts by its rule.",
    ),
    "contact_address_invalid": Help(
        "What stands in the e-mail field of a person is no address.", "Correct it there."
    ),
    "contact_address_twice": Help(
        "Two persons of one customer have one address. Neither is made on the other side, and"
        " none is chosen by guessing; one that is linked already stays as it is.",
        "Give each an address of their own, or join them to one person.",
    ),
    "contact_address_taken": Help(
        "The address belongs to somebody on the other side who is linked with another person.",
        "Give each an address of their own, or join the two persons that are one.",
    ),
    "contact_address_shared": Help(
        "Persons of several customers have one address, and flows.contacts.shared_address holds"
        " them.",
        "Give each an address of their own, or set shared_address to each: then they are made.",
    ),
    "contact_place_taken": Help(
        "These books hold one contact person for each customer, and that is somebody else.",
        "Choose one by flows.contacts.books_when, or empty the contact in the books.",
    ),
    "contact_moved": Help(
        "A person stands at different customers on the two sides, and only one side counts.",
        "Move the person on one side, so that both say the same.",
    ),
    "contact_both_changed": Help(
        "Both sides changed the same field of a person, and nobody owns it.",
        "Make them equal, or say under flows.contacts.owners whose word counts.",
    ),
    "deleted_in_books": Help(
        "A person was deleted in the books. Nobody is made there again by itself.",
        "Restore the person there, make it inactive in the CRM, or dismiss the exception.",
    ),
    "direction_not_run": Help(
        "A rule is set for persons that would go the other way than flows.contacts.direction says.",
        "Set direction to both, or take the rule out.",
    ),
    "mapped_both_ways": Help(
        "A field of persons is made by mappings in both directions, and would never come to rest.",
        "Keep mapping.contact or mapping.contact.to_crm for it.",
    ),
    "contacts_not_held": Help(
        "A system of this bridge holds no persons that could be kept in step.",
        "Set flows.contacts.mode to off, or use another connection.",
    ),
    "customer_gone": Help("The customer was deleted in the books.", SHOW),
    "credit_stop": Help(
        "The customer is on credit stop. Orders are held; delivered work is still invoiced.",
        "Finance lifts it.",
    ),
    "number_wrong": Help("A company or VAT number cannot be right.", CUSTOMER),
    "number_unchecked": Help(
        "The register that confirms VAT numbers is silent. Held, not refused.", NOTHING
    ),
    "number_not_valid": Help(
        "The register says that the VAT number, on which the VAT depends, is not valid.", CUSTOMER
    ),
    "name_missing": Help("The account has no name.", CUSTOMER),
    "address_incomplete": Help("The billing address lacks what an invoice needs.", CUSTOMER),
    "email_missing": Help("There is no e-mail address for invoices.", CUSTOMER),
    # After a document was made
    "changed_after_booking": Help(
        "The deal was changed after its invoice was booked; booked documents are not changed.",
        "Finance does as proposed, or dismiss it with a reason: tieout exceptions show EX-…. After "
        "a full credit: tieout exceptions answer DEAL --make-new.",
    ),
    "former_plan_invoiced": Help(
        "The deal has another billing plan now, and a document of the former one stands: nothing "
        "is made for the new plan, so that nothing is invoiced twice.",
        "Credit or delete that document in the books, or take the plan back.",
    ),
    "reopened_after_booking": Help("The deal is no longer won, its invoice is booked.", SHOW),
    "reopened_draft_kept": Help(
        "The deal is no longer won; its draft was edited in the books, or came back from the bin, "
        "so it is not deleted.",
        SHOW,
    ),
    "document_kind_not_possible": Help(
        "The books cannot make what flows.documents.create, or its kinds, wants of a deal.",
        "Set one of the kinds that the message names, then publish.",
    ),
    "invoices_not_shown_there": Help(
        "flows.invoices is on, and the CRM has no place where an invoice is not also a deal.",
        "Leave flows.invoices out. A deal shows its invoice, a customer what it owes.",
    ),
    "invoice_fields_missing": Help(
        "flows.invoices is on, and the connection of the CRM names no fields for invoices.",
        "Name them (webCRM: invoice.key and the others), or leave flows.invoices out.",
    ),
    "invoice_row_twice": Help(
        "Two rows of the CRM carry our key of one row of an invoice: somebody copied it.",
        "Delete the copy in the CRM, or empty its key if it is something else.",
    ),
    "invoice_row_without_key": Help(
        "A row of the CRM looks like a row of an invoice and carries no key of ours.",
        "Write the key that the message names into it, or delete it in the CRM.",
    ),
    "fields_not_told": Help(
        "The system does not tell which of its fields are switched on, so they cannot be checked.",
        "Look in its configuration whether the fields that you named are there.",
    ),
    "order_change_too_wide": Help(
        "The books change an order by one request at a time, and this change needs several.",
        "Finance changes the order as the deal says; both then agree by themselves.",
    ),
    "order_ongoing": Help(
        "The order is past being a draft, and these books delete drafts of orders only.",
        "Finance closes the order in the books, or sales takes the change back.",
    ),
    "orders_not_read": Help(
        "The connection shall make orders, and the books do not let us read them.",
        "Add the module or the right, or set orders of the connection to false.",
    ),
    "order_changed": Help(
        "Somebody changed an order in the books that is not shipped yet; both sides are shown.",
        "tieout exceptions answer EX-… --side crm, or --side books; or change the deal.",
    ),
    "order_gone_invoiced": Help(
        "The order was deleted or cancelled in the books, and what was invoiced of it stands.",
        "Finance credits the invoice, or tieout exceptions answer EX-… --leave-out.",
    ),
    "draft_edited": Help(
        "Somebody edited the draft in the books; it is shown, not overwritten.", SHOW
    ),
    "draft_deleted": Help(
        "The draft was deleted in the books; it is not made again by itself.",
        "tieout exceptions retry EX-… makes it anew.",
    ),
    "both_changed": Help(
        "Both sides changed the same field, and nobody owns it; neither was overwritten.",
        "tieout exceptions show EX-… names both values; tieout exceptions answer EX-… --side crm,"
        " or books, or FIELD=crm.",
    ),
    "unassigned_documents": Help(
        "After a restore there are documents without our key that may be of these deals.",
        "Say whose they are: tieout exceptions show EX-…",
    ),
    "found_differs": Help("A document with our key was found that says something else.", SHOW),
    "found_after_deletion": Help("A document that was believed deleted is there.", SHOW),
    "two_carriers": Help(
        "Two documents, customers, items or persons could be the one of a place; probably one is a "
        "copy, or a write came to what is another's. Nothing is changed by itself.",
        "tieout exceptions answer EX-… --is REF, or --not-ours REF; or delete the copy over there.",
    ),
    "look_incomplete": Help(
        "A write got no answer, and the lists in which it would be came back in part.",
        "It is looked for again by itself; tieout doctor tells whether the system is well.",
    ),
    "outcome_unknown": Help(
        "A write got no answer. It may have been done, so it is looked up before anything else.",
        NOTHING,
    ),
    "target_missing": Help("What was to be changed is not there any more.", NOTHING),
    "number_taken": Help("A number that we drew is taken in the books.", NOTHING),
    # Plans and runs
    "not_due": Help("It is not due, so there is nothing to do.", "tieout plan shows what is due."),
    "no_such_number": Help("Nothing has that number.", "tieout why REF looks for a record."),
    "no_interval": Help("It was not said how often.", "tieout run --every 30s"),
    "booked": Help("The document is booked; booked documents are not changed.", SHOW),
    "four_eyes": Help("Who released a change may not be who asked for it.", "Somebody else does."),
    "no_plan": Help("There is no plan of that number.", "tieout plan makes one."),
    "stopped": Help("It was stopped on purpose; nothing was lost.", "Read what is said with it."),
    "run_active": Help(
        "Another run works on this bridge. Nothing was done.", "tieout status --watch"
    ),
    "interrupted": Help("The command was stopped. The state is safe.", "Run it again."),
    "person_needed": Help("A person has to decide or mend something.", "tieout exceptions list"),
    # Brakes
    "side_looks_empty": Help(
        "One side shows nothing where it showed something before. Nothing is planned.",
        "Wrong company or rights? tieout connection test NAME",
    ),
    "not_read_yet": Help("One side was not read to its end yet; nothing is made before.", NOTHING),
    "many_gone": Help("Many linked records vanished at once.", PLAN),
    "many_creates": Help("Unusually many records would be made.", PLAN),
    "many_updates": Help("Unusually many linked records would be changed.", PLAN),
    "many_unknown": Help("Many writes got no answer; no more are sent until some did.", NOTHING),
    "double_hits": Help("Billing steps with two documents were found; creating is held.", SHOW),
    "clock_off": Help("This machine's clock and the vendor's are far apart.", "Set the clock."),
    "clock_wrong": Help(
        "This machine's clock is wrong, so that sign-ins fail.", "Switch on time synchronisation."
    ),
    "database_restored": Help(
        "The database was put back to an earlier state: it does not know of writes since.",
        "The next run reads both sides before anything is written: tieout run",
    ),
    "assign_documents": Help(
        "After a restore there are documents that carry no key and are newer than the backup, so "
        "they could be ours. Nothing is made for their customer until a person has said it.",
        "tieout exceptions answer EX-… --is REF --deal DEAL, or --not-ours REF",
    ),
    "month_ahead": Help("The month has not begun, so it has no figures.", "Ask for another one."),
    "restored": Help(
        "The database was put back to an earlier state. Both sides were read again since; what "
        "would be written waits for a person, whatever the modes say.",
        "Read the plan (tieout plan) and release what is right; then close it with tieout "
        "exceptions dismiss, and the modes of tieout.yaml count again.",
    ),
    # Connections
    "sign_in_refused": Help(
        "The sign-in is refused. It is not repeated, so that the account is not locked.", ROTATE
    ),
    "sign_in_withdrawn": Help(
        "The consent was withdrawn or ran out. Changes wait, none is lost.", ROTATE
    ),
    "company_changed": Help(
        "The sign-in leads to another company than before. Nothing is read or written.", ROTATE
    ),
    "company_not_seen": Help(
        "The system shows no company at all; some show a wrong one as empty, not as an error.",
        "Check the company's number and tenant id, and that the user may see that company.",
    ),
    "licence_missing": Help(
        "The user of the connection has no licence for the company.",
        "Its administrator gives the user the role for the API.",
    ),
    "company_inactive": Help("The company is not active, or read-only, at the vendor.", TEST),
    "connection_missing": Help("There is no connection of that name.", "tieout connection add"),
    "connection_exists": Help("There is a connection of that name.", "tieout connection list"),
    "host_unreachable": Help(
        "A host gives no answer that can be used. Nothing was sent that is not recorded.",
        "The message names connection, host and cause (refused, no address, no way, no answer in "
        "time, certificate, proxy), and what to check; a later run goes on.",
    ),
    "host_moved": Help("The vendor moved the company to another address.", TEST),
    "answer_garbled": Help("What answered is not the system that was asked.", "Check the proxy."),
    "address_not_allowed": Help(
        "An address would be called without encryption, or is none.", "Use https://."
    ),
    "port_taken": Help("The port is in use by another program.", "Give --port 0."),
    "unknown_system": Help("Tieout does not know this system.", "tieout connection add --help"),
    "setting_wrong": Help("A setting of the connection cannot work.", TEST),
    "scope_missing": Help("The sign-in lacks a right that is needed.", ROTATE),
    "not_in_plan": Help(
        "The company's plan at the vendor does not include this.",
        "Signing in again does not help; the plan has to include it.",
    ),
    "object_missing": Help("The user cannot see a kind of record.", "Grant the permission set."),
    "field_missing": Help("The user cannot see a field.", "Grant the permission set."),
    "field_not_chosen": Help(
        "No field was named for something that the books say, so the CRM does not show it.",
        "Name a custom field in the connection's settings, or leave it.",
    ),
    "company_unknown": Help(
        "The system does not tell which company or organisation it belongs to.",
        "Name it in the connection's settings, once and for ever.",
    ),
    "country_unknown": Help(
        "A country is written in a way that is not known; it is not guessed, and the address "
        "counts as incomplete.",
        "Correct it in the CRM, or say which country is meant in the connection's settings.",
    ),
    "scripts_refused": Help(
        "The CRM takes no queries, so that changes are found by reading whole lists.", TEST
    ),
    "lineage_unproven": Help(
        "A deal that becomes a delivery under a new number could not be known again.",
        "Let Tieout write the ERP id of opportunities and deliveries.",
    ),
    "twin_number": Help(
        "Two deliveries of the CRM have one number; until that is mended nothing can be written on "
        "either.",
        "Give one of them another number there.",
    ),
    "permission_set_missing": Help(
        "The Salesforce package is in the org, but the connection's user does not have its "
        "permission set, so it cannot see the package's fields.",
        "tieout salesforce deploy NAME --assign, or Setup, Permission Sets, Tieout Integration.",
    ),
    "package_broken": Help(
        "A file of the Salesforce package, or a zip that was given instead, cannot be read.",
        "Correct the file that is named; tieout salesforce package builds the zip anew.",
    ),
    "deploy_refused": Help(
        "The org does not take parts of the package; each is shown with its place and the org's "
        "own words. Nothing was changed.",
        "Mend what is named, mostly a field of the org's own that has another type, then deploy "
        "again; --check-only tries without changing anything.",
    ),
    "deploy_under_way": Help(
        "A deployment of the same user runs in the org, perhaps one whose answer was lost.",
        "tieout salesforce deploy NAME --resume ID follows it to its end.",
    ),
    "deploy_cancelled": Help(
        "The deployment was stopped in the org before it was through.",
        "tieout salesforce deploy NAME starts a new one.",
    ),
    "deployment_unknown": Help(
        "The org has no deployment of that id; it keeps them for 30 days.",
        "tieout salesforce deploy NAME starts a new one.",
    ),
    "view_all_unproven": Help(
        "Sharing may hide records from the user; a hidden deal would never be invoiced.",
        "Give the user View All on the objects in use.",
    ),
    "dimension_off": Help("The books keep no such dimension.", "Do not map it."),
    "currency_unknown": Help(
        "The CRM does not say its currency.", "Set currency: --set currency=SEK"
    ),
    "filter_not_supported": Help(
        "The books do not filter a list; more calls are made.", "Nothing."
    ),
    "number_range_near": Help(
        "The company's own customer numbers come near ours.", "Set number_start higher."
    ),
    "no_account": Help("The books have no account for this item.", "Finance completes the item."),
    "version_gone": Help(
        "The vendor no longer offers this version of its API.", "Set api_version."
    ),
    "quota_low": Help("The vendor's calls run out, by all programs together.", "Find who calls."),
    "quota_used": Help("The vendor's calls for now are used up. Nothing is lost.", NOTHING),
    "period_deals": Help("Deals would be booked in a period that closes soon.", "tieout plan"),
    "refused_by_system": Help("The system refuses a write and says why.", SHOW),
    "action_not_possible": Help("The system cannot do this at all.", "Leave that flow out."),
    "record_unreadable": Help(
        "A record of a system is not in a form that is known. All others go on.",
        "Correct it there, or report it with its id: tieout exceptions show.",
    ),
    # Configuration
    "configuration": Help("The configuration is wrong. What was in force stays.", FILE),
    "configuration_not_understood": Help(
        "A stored version is not understood by this version of Tieout.",
        "Correct tieout.yaml and publish it.",
    ),
    "not_published": Help(
        "Only what is published runs.", 'tieout config publish -m "first version"'
    ),
    "yaml_broken": Help("The file is not YAML at this place. What was in force stays.", FILE),
    "yaml_feature": Help("The file uses a part of YAML that is refused for safety.", FILE),
    "file_cut_off": Help(
        "The file ends inside a line, as when it is half saved.", "Save it again."
    ),
    "file_missing": Help("The file is not there.", FILE),
    "file_unreadable": Help("The file cannot be read.", "Check its rights."),
    "file_too_large": Help("The file is larger than a configuration can be.", FILE),
    "not_utf8": Help(
        "The file is not written in UTF-8; the line and the likely encoding are shown.",
        'Save it again as UTF-8 (in Excel: "CSV UTF-8").',
    ),
    "unknown_key": Help("There is no such key at this place.", FILE),
    "unknown_field": Help("The CRM has no such field.", FILE),
    "unknown_table": Help("There is no table of that name.", "Add it below tables/."),
    "missing_key": Help("A key that is needed is missing.", FILE),
    "missing_value": Help("A value is missing behind a key.", FILE),
    "duplicate_key": Help("A key stands twice; only one could count.", FILE),
    "key_not_text": Help("A key is not a plain text.", FILE),
    "wrong_type": Help("A value has another type than belongs there.", FILE),
    "not_allowed": Help("A word is not among those that are allowed there.", FILE),
    "value_wrong": Help("A value does not fit there.", FILE),
    "expression": Help("An expression is not one; the spot in it is shown.", FILE),
    "not_a_rule": Help("A rule has to be true or false, and this one is neither.", FILE),
    "rule_unreachable": Help("A rule can never be reached, for an earlier one takes all.", FILE),
    "connection_twice": Help("A connection is named twice in one bridge.", FILE),
    "table_duplicate": Help("A value stands twice in a table.", FILE),
    "written_twice": Help(
        "Two bridges would write the same field in the same books.",
        "Let one of them write it: mode off, or owner books, in the other.",
    ),
    "connection_shared": Help(
        "Two bridges would read one connection; either would miss what the other one read.",
        "Connect the system once more under another name: tieout connection add.",
    ),
    # Use
    "usage": Help("The command was used wrongly.", "Add --help to the command."),
    "answer_needed": Help("A question came up, and there is no terminal.", "Give its flag."),
    "secret_missing": Help("The variable or file of a secret is empty.", "Fill it."),
    "no_project": Help("There is no project here.", "tieout init my-company"),
    "project_exists": Help("A project is there already.", "Choose another folder."),
    "no_month": Help("That is no month.", "Say it like 2026-10."),
    "month_open": Help("The month is not over.", "File it after its last day."),
    "month_filed": Help("The month is filed; a filed report is never made anew.", NOTHING),
    "no_books": Help("The bridge has no such books.", "tieout config history"),
    "no_exception": Help("There is no exception of that number.", "tieout exceptions list"),
    "exception_closed": Help("The exception is closed already.", "tieout exceptions list"),
    "file_unwritable": Help("A file cannot be written.", "Choose another place."),
    "simulator_failed": Help("A simulator did not start.", "Run the command again."),
    "tryton_missing": Help(
        "Tryton, a program of its own, is not installed where it was looked for.",
        "In Tieout's sources make demo BOOKS=tryton installs it; TIEOUT_TRYTON_VENV names it.",
    ),
    "tryton_failed": Help("Tryton did not start.", "Run the command again; its log says more."),
    "folder_unwritable": Help("The folder cannot be written.", "Choose another folder."),
    "which_bridge": Help("There are several bridges.", "Say which: --bridge NAME"),
    "no_bridge": Help("There is no bridge of that name.", "tieout config history"),
    "no_version": Help("There is no version of that number.", "tieout config history"),
    "unknown_code": Help("There is no such code.", "tieout help lists them."),
    # Evidence
    "log_broken": Help(
        "The activity log was changed from outside: an entry does not fit the one before, or the "
        "end is cut off. Everything before the named entry is intact.",
        "Keep a copy of the database as it is, find who can write to it, and compare with the "
        "heads that were noted elsewhere and with backups. Nothing is repaired by itself.",
    ),
    "report_changed": Help(
        "A filed report is not the one that was filed.",
        "Keep a copy of the database, and take the report from where it was sent.",
    ),
    "high_water_damaged": Help(
        "The mark outside the database, which shows a restored one, is damaged.",
        "Bring back .tieout/high-water from a backup. Without one, and where the database was not "
        "put back: remove the file; the next run makes it anew.",
    ),
    "figures_disagree": Help("Figures that have to agree do not.", "tieout reconcile names them."),
    # Store and machine
    "database_unverified": Help(
        "TIEOUT_DATABASE_URL names a server on another host, and its certificate is not checked: "
        "somebody in between could answer in its place, read everything and change it.",
        "Write sslmode=verify-full (or verify-ca) and sslrootcert=FILE, the authority that signed "
        "the server's certificate, into the address. Nothing stands still meanwhile.",
    ),
    "store": Help("The database cannot be used.", "Check TIEOUT_DATABASE_URL, or the disk."),
    "database_address": Help(
        "TIEOUT_DATABASE_URL does not name a PostgreSQL server.",
        "Set it to postgresql://user@host:5432/database, or leave it out for the embedded one.",
    ),
    "database_unreachable": Help("The database does not answer.", "Check that its server runs."),
    "database_rights": Help(
        "The user that TIEOUT_DATABASE_URL names may not do what is needed there.",
        "Make it the owner of the database, and able to create roles or a member of a role "
        "tieout_app that is there.",
    ),
    "database_failed": Help("PostgreSQL did not start; its log says why.", ".tieout/pg.log"),
    "database_missing": Help("The package with PostgreSQL is missing.", "Install Tieout anew."),
    "database_version": Help("The data is of another PostgreSQL.", "Restore it with that one."),
    "database_in_use": Help("Another server uses this data.", "Stop it."),
    "database_copied": Help(
        "The project was copied with its data while it ran, or beside its original.",
        "Work in one of them only.",
    ),
    "database_gone": Help(
        "The project's data lay outside its folder, and is not there any more.",
        "Bring that folder back, or remove .tieout/pg.elsewhere and restore a backup.",
    ),
    "database_orphaned": Help(
        "Data in the system's state folder is of a project whose folder was deleted, or moved.",
        "Open what was moved (tieout status); then: tieout doctor --remove-orphans",
    ),
    "database_unclaimed": Help(
        "Data in the system's state folder does not say whose it is, or its project's disk may not "
        "be mounted.",
        "Open each project that is in use (tieout status); remove by hand what nobody claims.",
    ),
    "server_not_durable": Help(
        "The server can forget what was recorded before a write was sent.",
        "Set fsync and synchronous_commit on.",
    ),
    "role_not_bound": Help(
        "The program's role could see other workspaces.", "Make tieout_app a plain role."
    ),
    "disk_full": Help(
        "Too little space to record what would be sent. Nothing was sent.",
        "Free space, then: tieout run",
    ),
    "socket_folder": Help("The folder of the database's socket is not ours.", "Remove it."),
    "folder_closed": Help("A folder of the project is closed to us.", "Change its rights."),
    "key_in_change": Help(
        "Another process is making a new key for the stored sign-ins. Nothing was changed.",
        "Wait a moment; one new key is enough.",
    ),
    "key_missing": Help(
        "The key that opens the stored sign-ins is missing.",
        "Bring back your copy of .tieout/key, or set TIEOUT_KEY.",
    ),
    "key_wrong": Help(
        "The key does not open the stored sign-ins.",
        "Bring back your copy of .tieout/key, or add the sign-ins anew: " + ROTATE,
    ),
    "key_open_to_others": Help("Others may read the key.", "chmod 600 .tieout/key"),
    "defect": Help(
        "Tieout itself made a mistake; your data is not at fault.",
        "Report it with the reference (the log has the details) or the place that the exception"
        " names; neither holds a customer's data. What is held for it is tried again each hour.",
    ),
    # What books say by their own words
    "attribute_missing": Help(
        "The attribute that carries our key is not set up for the customer's class.",
        "Finance adds it to the class; or draw customer numbers instead (number_start).",
    ),
    "customer_number_missing": Help(
        "A new customer has nothing that tells it from a second try.",
        "Set number_start of the connection to a range of your own.",
    ),
    "dimension_unknown": Help(
        "A dimension of a line does not exist in the books.",
        "Add it there, or correct the mapping of dimensions.",
    ),
    "dimension_ended": Help(
        "A dimension of a line has ended in the books.",
        "Open it there, or correct the mapping of dimensions.",
    ),
    "discount_out_of_range": Help("The discount of a line is below 0 or above 1.", DEAL),
    "discounts_automatic": Help(
        "The books give discounts by themselves; one on whole documents changes their totals.",
        "Finance ends discounts of documents, or lives with the difference that is shown.",
    ),
    "number_series": Help(
        "The number series of the books takes no numbers of ours.",
        "Finance allows manual numbers on import for the series, or set number_start to 0.",
    ),
    "release_failed": Help(
        "A document could not be released as it stands.",
        "Finance takes it off hold, prints, mails or approves it, and releases it there.",
    ),
    "too_many_lines": Help("The document has more lines than the books take.", DEAL),
    "rights_missing": Help(
        "The user of the connection lacks a right in that system.",
        "The administrator there grants it; " + TEST,
    ),
    "value_not_accepted": Help(
        "The system does not accept a value; what it says of it is shown.", SHOW
    ),
    "account_missing": Help(
        "The books lack an account or a journal that an invoice needs.",
        "Finance sets it there.",
    ),
    "item_not_usable": Help(
        "A product is not active in the books, or cannot be sold like this.",
        "Activate it there, or map the item to another one.",
    ),
    "value_too_fine": Help(
        "A price or quantity has more decimals than the books take.", "Change the unit or price."
    ),
    "carrier_weaker": Help(
        "Our key stands where people can change it, so that after a lost answer Tieout waits "
        "longer before it makes a document again.",
        "Install the module tieout-tryton in Tryton.",
    ),
    "series_untested": Help(
        "The connection was not tried with this series of Tryton.",
        "Read its release notes, then: tieout plan in mode shadow.",
    ),
    "not_found": Help("Something that was named is not there in the books any more.", NOTHING),
    "stale": Help("It was changed in the books since it was read; it is decided anew.", NOTHING),
    # Questions and answers at the console
    "ambiguous": Help(
        "The word names several things.", "Say which: one of the names that are shown."
    ),
    "no_such_record": Help(
        "The system has nothing under that name.", "Look at its number there; or its id."
    ),
    "write_in_doubt": Help("A write waits for that answer; dismissed, it waits for ever.", SHOW),
    "answer_unfit": Help("The exception does not ask about that.", SHOW),
    "not_matched": Help("Both sides were not held against each other yet.", "tieout match report"),
    "not_in_report": Help(
        "The match report does not hold these two records together, so they cannot be decided.",
        "tieout match report, or the record's other name or id.",
    ),
    "person_by_address": Help(
        "A person is recognised by the e-mail address, so that nobody can be made with one that"
        " somebody has already.",
        "Give one of them another address; or say which of them it is.",
    ),
    "match_twice": Help(
        "One record is given to two, or decided twice, in the same file. Nothing of it was kept.",
        "Leave one of the two lines out.",
    ),
    "linked_already": Help(
        "The record is linked already, with another one.", "tieout why REF shows with which."
    ),
    "ref_taken": Help(
        "The record belongs to another deal or account already; nothing is made twice.",
        "Say that it is not ours here: tieout exceptions answer EX-… --not-ours REF. tieout why "
        "NUMBER says whose it is.",
    ),
    "not_one_deal": Help(
        "The exception is about the whole bridge, so there is no single deal to try again.",
        "tieout reconcile",
    ),
    "accounts_merged": Help(
        "Two accounts were merged in the CRM, and both have a customer in the books.", SHOW
    ),
    "deals_undecided": Help(
        "Deals were read and not decided yet, so the tie-out is not whole.", "tieout run"
    ),
    "ledger_not_read": Help(
        "The ledger's own list could not be read, so the figures are not compared with it.",
        "Nothing; the next run reads it.",
    ),
    "two_documents": Help(
        "A billing step has two live documents in the books; nothing was changed.",
        "tieout why NUMBER of each; finance voids the copy.",
    ),
    "demo_differs": Help("The figures of the demo do not agree; that is a defect.", "Report it."),
    "not_a_demo": Help(
        "The folder is there and was not made by the demo; it was left as it is.",
        "tieout demo --project another-folder",
    ),
}
