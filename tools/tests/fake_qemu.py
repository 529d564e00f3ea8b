#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Stands in for QEMU: the same sockets, a console that offers a login, and a monitor that answers."""

import json
import os
import socket
import sys
from pathlib import Path
from threading import Thread

TABLE = """Hub -1 (net):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  13       127.0.0.1 40217               * 10300     0     0
  TCP[HOST_FORWARD]  12       127.0.0.1 33941               *    22     0     0
"""


def listen(path: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    return server


def answer(request: dict[str, object]) -> dict[str, object]:
    if request["execute"] == "system_reset":
        return {"error": {"class": "GenericError", "desc": "there is no such button"}}
    if request["execute"] == "human-monitor-command":
        return {"return": TABLE}
    return {"return": {}}


def monitor(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as lines:
            print(json.dumps({"QMP": {"version": {}, "capabilities": []}}), file=lines, flush=True)
            for line in lines:
                print(json.dumps({"event": "RTC_CHANGE", "data": {"offset": 0}}), file=lines)
                print(json.dumps(answer(json.loads(line))), file=lines, flush=True)


def main() -> None:
    if "--version" in sys.argv:
        print("QEMU emulator version 158.0")
        return
    where = {flag: sys.argv[sys.argv.index(flag) + 1] for flag in ("-serial", "-qmp")}
    paths = {flag: text.removeprefix("unix:").partition(",")[0] for flag, text in where.items()}
    Path(os.environ["FAKE_PID"]).write_text(str(os.getpid()))
    tty = listen(paths["-serial"])
    console, _ = tty.accept()
    Thread(target=monitor, args=(listen(paths["-qmp"]),), daemon=True).start()
    console.sendall(b"[    0.000000] Booting\r\n\r\nwhisper158 login: ")
    while console.recv(4096):
        pass


if __name__ == "__main__":
    main()
