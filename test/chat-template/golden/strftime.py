"""Writes strftime.json: what Python's datetime.strftime gives on Linux in the C locale, at times of every kind.

TZ=UTC LC_ALL=C python strftime.py
"""
import datetime
import json
import os
import string
import time

os.environ["TZ"] = "UTC"
time.tzset()
HERE = os.path.dirname(os.path.abspath(__file__))
TIMES = ["2024-01-01T00:00:00.000", "2024-02-29T09:05:07.012", "2023-12-31T23:59:59.999", "2026-11-28T12:00:00.000", "2021-01-03T11:30:00.500",
         "2020-12-27T01:02:03.004", "2018-12-31T13:14:15.160", "2010-01-10T10:10:10.100", "1999-07-04T21:08:09.000", "2100-06-15T00:30:00.000"]
CARRIED = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZf%"
FLAGS = ["", "-", "_", "0", "^", "#"]
formats = ["%" + flag + letter for letter in CARRIED for flag in FLAGS if flag == "" or letter not in "zZf%nt"]
formats += ["%" + flag + width + letter for letter in "dejmYyHIAbBps" for width in ["1", "5", "12"] for flag in ["", "-", "_", "0", "^"]]
formats += ["%-d %B %Y", "%d %b %Y", "%B %d, %Y", "%Y-%m-%d %H:%M:%S", "%I:%M %p", "%%d", "100%%", "", "plain", "%A, %-d. %b", "%^a%#B", "é %Y 日本", "%_-d", "%-_d", "%0e", "%^#a", "%#^a", "%_5H", "%05e"]
out = []
for stamp in TIMES:
    when = datetime.datetime.fromisoformat(stamp)
    out.append([stamp, [when.strftime(form) for form in formats]])
refused = ["%" + letter for letter in string.ascii_letters if letter not in CARRIED] + ["%Ey", "%Od", "%-z", "%5f", "%E", "%"]
with open(os.path.join(HERE, "strftime.json"), "w", encoding="utf-8") as file:
    json.dump({"formats": formats, "times": out, "refused": refused}, file, ensure_ascii=False)
print(len(formats), "formats,", len(TIMES), "times")
