# -*- coding: utf-8 -*-
"""The messages that the Python clients send, in Python 2.7 and 3, and their reports."""

from __future__ import print_function

import sys

HOST, PORT, PATH, SUBPROTOCOL, VERSION = sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5], sys.argv[6]
URL = "ws://%s:%d%s" % (HOST, PORT, PATH)
ORIGIN = "http://%s:%d" % (HOST, PORT)

# The time limit of a whole check, in seconds.
DEADLINE = 90

EMPTY = u""
LARGE = u"c" * 70000
TEXTS = [u"hello", EMPTY, u"a" * 125, u"b" * 126, LARGE, u"gr\u00fc\u00df \u4f60\u597d \U0001f600", u"n\u0000ul"]
BURST = [u"burst %d" % index for index in range(200)]
BINARIES = [bytes(bytearray(index * 7 % 256 for index in range(length))) for length in (3, 0, 126, 70000)]


def compare(got, wanted):
    if got != wanted:
        raise AssertionError("came back with length %s, not %d" % (None if got is None else len(got), len(wanted)))


def report(name, check):
    """Runs a check, which returns a summary or raises an exception. Exits."""
    try:
        print("PASS %s: %s" % (name, check()), file=sys.__stdout__)
    except BaseException as error:
        print("FAIL %s: %s: %s" % (name, type(error).__name__, error), file=sys.__stdout__)
        sys.exit(1)
    sys.exit(0)
