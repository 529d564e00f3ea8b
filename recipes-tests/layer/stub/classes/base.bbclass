# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
# What every recipe has.

def stub_filespath(d):
    own = [path for path in d.getVar("FILESEXTRAPATHS").split(":") if path and path != "__default"]
    here = os.path.dirname(d.getVar("FILE"))
    return own + [os.path.join(here, name) for name in (d.getVar("BP"), d.getVar("BPN"), "files")]

addtask fetch
addtask unpack after do_fetch
addtask configure after do_unpack
addtask compile after do_configure
addtask install after do_compile
addtask build after do_install

python do_fetch() {
    bb.fetch2.Fetch(d.getVar("SRC_URI").split(), d).download()
}

python do_unpack() {
    bb.fetch2.Fetch(d.getVar("SRC_URI").split(), d).unpack(d.getVar("WORKDIR"))
}

base_do_configure() {
    :
}

base_do_compile() {
    :
}

base_do_install() {
    :
}

do_build() {
    :
}

EXPORT_FUNCTIONS do_configure do_compile do_install

# PACKAGECONFIG[name] = "arguments with it, arguments without, DEPENDS, RDEPENDS"
python () {
    chosen = d.getVar("PACKAGECONFIG").split()
    flags = {name: value for name, value in (d.getVarFlags("PACKAGECONFIG") or {}).items() if name not in ("doc", "defaultval")}
    unknown = sorted(set(chosen) - set(flags))
    if unknown:
        bb.fatal(f"PACKAGECONFIG has {unknown[0]}, which {d.getVar('PN')} does not know")
    arguments = []
    for name, value in sorted(flags.items()):
        fields = [field.strip() for field in (d.expand(value) + ",,,,").split(",")]
        arguments.append(fields[0] if name in chosen else fields[1])
        if name in chosen:
            d.appendVar("DEPENDS", " " + fields[2])
            d.appendVar("RDEPENDS:" + d.getVar("PN"), " " + fields[3])
    d.setVar("PACKAGECONFIG_CONFARGS", " ".join(arguments))
}

# A recipe without a licence is refused, before it can say anything for itself.
python () {
    if not d.getVar("LICENSE") and not bb.data.inherits_class("packagegroup", d):
        bb.fatal(f"{d.getVar('PN')} has no LICENSE")
}
