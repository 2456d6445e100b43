#!/usr/bin/env python3
"""The entry point of AMD's images under its usual name: execs aim with the same arguments."""

import os
import sys

os.execv("/usr/local/bin/aim", ["aim", *sys.argv[1:]])
