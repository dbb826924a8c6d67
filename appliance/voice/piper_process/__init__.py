# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs Piper: `python -P piper_process`. Nothing else imports anything of this folder."""
