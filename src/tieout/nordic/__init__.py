"""Facts and rules of the Nordic countries: identifiers, VAT, references, names, dates, rounding.

Each module has one subject and stands by itself; the tables in `data/` name a source in every
row. Nothing here reads a clock, a network or a file of the user. No rule guesses: what is not
known comes back as a value that says so, and the caller holds.

    identifiers         company, VAT and location numbers: parse_identifier, same_company
    vat_state           valid, invalid, unknown, absent: vat_number_state
    vat_rates           rates by tax point: rate
    vat_treatment       what to put on an invoice line: decide_treatment
    names               fold_name, compare_names, suggest
    countries           country_code, post_code, territory
    payment_terms       parse_terms, due_date, overdue_from
    payment_references  check_reference, make_reference, find_reference
    einvoice            check_address, candidate, rewrite
    reasons             explain
    rounding            document_totals, payable_amount, cash_amount
"""
