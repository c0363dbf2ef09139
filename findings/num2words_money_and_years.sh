#!/usr/bin/env bash
# num2words, which writes numbers out for a voice, takes a whole amount of money for cents, and lacks years here and there.
#
# Version: num2words 0.5.14. Input: 5 and 5.0 dollars in English, the year 1984 in three languages.
# Expected: "five dollars" for both, and "nittonhundraåttiofyra" in Swedish.
# Seen: the int 5 is five cents, the float 5.0 five dollars; NotImplementedError for the Swedish year, where English and
# German have one. So give floats, and try each kind in each language; leave the digits where it fails.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check num2words==0.5.14 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
from num2words import num2words

whole, decimal = (num2words(value, to="currency", currency="USD") for value in (5, 5.0))
print("5:", whole, "| 5.0:", decimal)
for language in ("en", "de"):
    print(f"1984 in {language}:", num2words(1984, lang=language, to="year"))
try:
    print("1984 in sv:", num2words(1984, lang="sv", to="year"))
    swedish = True
except NotImplementedError:
    print("1984 in sv: NotImplementedError")
    swedish = False
assert whole == "zero dollars, five cents" and decimal == "five dollars, zero cents", "whole amounts are dollars now"
assert not swedish, "Swedish has years now"
PY
