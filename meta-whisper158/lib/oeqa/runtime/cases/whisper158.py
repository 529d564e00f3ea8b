# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Whether an image that has booted gives the right words; for testimage (TEST_SUITES:append = " whisper158")."""

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage


class Whisper158Test(OERuntimeTestCase):
    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @OEHasPackage(["whisper158"])
    def test_selftest(self):
        # Emulated machines take minutes for what a board does in seconds.
        status, output = self.target.run("whisper158 selftest", 900)
        self.assertEqual(status, 0, msg=output)

    @OETestDepends(["whisper158.Whisper158Test.test_selftest"])
    @OEHasPackage(["whisper158-daemon"])
    def test_daemon_is_ready(self):
        # The service counts as active when it has read its model and transcribed with it.
        status, output = self.target.run("systemctl start whisper158d && whisper158 stats", 900)
        if status != 0:
            _, log = self.target.run("journalctl --no-pager --unit=whisper158d | tail -n 40")
            output = f"{output}\n{log}"
        self.assertEqual(status, 0, msg=output)
