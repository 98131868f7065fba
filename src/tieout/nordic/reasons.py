"""Reason codes of this package in plain words: what is wrong, and what to do about it."""

from __future__ import annotations

from types import MappingProxyType

REASONS: MappingProxyType[str, str] = MappingProxyType(
    {
        # Identifiers: invalid
        "empty": "There is no number.",
        "format": "The text has signs that such a number never has; type the number again.",
        "length": "The number has too many or too few digits; look for a lost zero.",
        "checksum": "The check digit does not fit, so a digit is wrong; ask for the number.",
        "check_digit_impossible": "No check digit fits these digits: the number was never issued.",
        "third_digit": "The third digit is below 2, so this is a person's number; if the customer"
        " is a sole trader, enter it as a personal number.",
        "first_digit": "No such number begins with this digit.",
        "century": "The two digits in front are no century for this kind of number.",
        "date": "The number holds no possible date of birth or founding.",
        "serial": "The serial number in it is not given out.",
        "suffix": "The last two digits are never 00; usually they are 01.",
        "all_zero": "A number of zeros only is a place-holder.",
        "country_prefix": "The letters in front are those of another country than the customer's;"
        " correct the country or the number.",
        "is_organisation": "This is an organisation number, not a personal one.",
        "is_kennitala": "This is a kennitala; the VAT number (VSK) is another, shorter number.",
        "is_p_number_or_cpr": "Ten digits are a site or a person in Denmark; ask for the CVR"
        " number, which has eight.",
        "is_cvr": "Eight digits are a company (CVR) number; a site has ten.",
        "is_ovt": "This is an e-invoice address; ask for the business id.",
        "is_ytunnus": "This is a business id; the e-invoice address begins with 0037.",
        "not_eu_vat": "The letters are not those of an EU member state or Northern Ireland.",
        "oss_number": "This is a seller's one-stop-shop number and proves nothing about a buyer.",
        "no_country": "Without its letters nobody can tell which country the number is from.",
        # Identifiers: doubtful
        "suffix_not_01": "Swedish VAT numbers end in 01 nearly always; have the number verified.",
        "may_be_person": "Without SE these digits may also be a personal number; add SE if it is"
        " a VAT number.",
        "mva_missing": "Without MVA the number does not say that the company is registered for"
        " VAT; look it up in the register.",
        "mwst_missing": "Without MWST, TVA or IVA the number does not say that the company is"
        " registered for VAT.",
        "no_check_digit": "The check digit does not fit, as in numbers given to persons since"
        " February 2026; have it confirmed.",
        "system_kennitala": "This is a kennitala for someone who is not in the national register.",
        "no_rule": "No rule is known for numbers of this country; they are kept and never matched.",
        # VAT treatment: held
        "tax_class_unknown": "The item has no tax class; map it.",
        "buyer_country_missing": "The customer has no country.",
        "seller_not_covered": "Sellers of this country are not covered.",
        "ship_to_missing": "Nobody said where the goods go; enter the delivery address.",
        "ships_from_other_country": "The goods leave from another country than the seller's; such"
        " chains are decided by a person.",
        "buyer_status_unknown": "Nobody said whether the buyer is a business.",
        "vat_number_unverified": "The VAT number is not verified; it is asked again.",
        "vat_prefix_missing": "The VAT number is valid, but nobody said of which country.",
        "oss_status_unknown": "Nobody said whether the company uses the one-stop shop or is below"
        " its limit; set it in the settings of the books.",
        "place_missing": "The tax follows the place of the work or event; enter it.",
        "registration_in_place_country": "The tax is due where the work is done; the seller may"
        " need a registration there.",
        "consumer_aland_unknown": "The rule for such services to a consumer on Åland is not clear.",
        "consumer_abroad_rules_unknown": "The rule for this sale abroad is not clear.",
        "class_total_unknown": "The tax depends on the total of such goods on the invoice; compose"
        " the whole invoice first.",
        "buyer_construction_status_unknown": "Nobody said whether the buyer sells construction"
        " services itself.",
        "rate_unknown": "No VAT rate is known for this class on this day.",
        # VAT treatment: a person confirms
        "export_by_buyer_not_proven": "It is not proven that the buyer takes the goods out; confirm"
        " domestic VAT or bring the proof.",
        "number_of_departure_state": "The buyer's number is of the country that the goods leave;"
        " confirm domestic VAT or get another number.",
        "number_not_eu": "The buyer's number is not of an EU member state; confirm domestic VAT or"
        " get one.",
        "number_of_seller_state": "The buyer's number is of the seller's own country; clear where"
        " the buyer is established.",
        "number_not_of_seller_state": "The buyer's number is not of the seller's country; confirm"
        " that the buyer is not registered there.",
        "no_valid_number": "The buyer has no valid VAT number; confirm domestic VAT or get it.",
    }
)


def explain(reason: str) -> str:
    """The sentence for a reason code. Raises KeyError for a code that does not exist."""
    return REASONS[reason]
