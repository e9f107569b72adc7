"""Mutated requests and answers against the whole gateway, and against its codecs alone; never part of the package."""

import sys

#: JSON bounds no number; this reader's own bound is none of the gateway's.
sys.set_int_max_str_digits(0)
