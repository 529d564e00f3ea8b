# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a release is more than a commit: what is in it, and that anybody can make the same one."""
