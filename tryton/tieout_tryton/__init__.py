# This file is part of tieout-tryton, which is free software under the GNU General Public
# License, version 3 or later. See the LICENSE file of this package.
"""Tryton module `tieout`: what a program that writes invoices needs to write each of them once."""
