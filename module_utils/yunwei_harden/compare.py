"""Whether what was found is good enough: a host that is stricter than the rule is left as it is."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

WORDS = ("equal", "at_least", "at_most", "within", "absent")


def fits(setting, found):
    """Tell whether `found` (text, None where there is nothing) satisfies a setting {value, compare}.

    at_least, at_most: whole numbers; of at_most, 0 and less do not fit where the wanted value is greater than 0, for
    0 switches an interval off. within: every word of a comma-separated list is one of the wanted ones.
    """
    how, wanted = setting["compare"], setting["value"]
    if how == "absent":
        return found is None
    if found is None:
        return False
    if how == "equal":
        return found.lower() == wanted.lower()
    if how == "within":
        words = set(found.lower().split(","))
        return bool(words) and words <= set(wanted.lower().split(","))
    return _number_fits(how, found, int(wanted))


def _number_fits(how, found, wanted):
    try:
        number = int(found)
    except ValueError:
        return False
    if how == "at_least":
        return number >= wanted
    return number <= wanted and (wanted <= 0 or number > 0)
