# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
SUMMARY = "Model of the speech recogniser whisper158"
DESCRIPTION = "Weights, vocabulary and all else that whisper158 needs to transcribe, in one file."
SECTION = "multimedia"

# Which one: the name of a model of the layer, that is of files/NAME.w158.xz and files/NAME.inc, which "./inv model.install"
# writes; or any file by its absolute path, with its sha256.
WHISPER158_MODEL ??= "tiny.en-158"
WHISPER158_MODEL_FILE ??= ""
WHISPER158_MODEL_SHA256 ??= ""
# The licence of WHISPER158_MODEL_FILE, as LICENSE has it. Without one it is not said that anybody may have the file.
WHISPER158_MODEL_LICENSE ??= "CLOSED"
LICENSE = "${WHISPER158_MODEL_LICENSE}"

# What the layer knows of its model: SRC_URI, WHISPER158_MODEL_SHA256, LICENSE, DESCRIPTION.
include ${@'' if d.getVar('WHISPER158_MODEL_FILE') or not d.getVar('WHISPER158_MODEL') else 'files/${WHISPER158_MODEL}.inc'}

S = "${WORKDIR}"

inherit allarch

# Of the installed file. It has the name of the model, and default.w158 leads to it.
MODEL_NAME = "${@os.path.basename(d.getVar('WHISPER158_MODEL_FILE')).removesuffix('.w158') or d.getVar('WHISPER158_MODEL')}"
# The same file from another folder is the same package.
MODEL_NAME[vardepvalue] = "${MODEL_NAME}"

python () {
    import re

    path = d.getVar("WHISPER158_MODEL_FILE")
    name = d.getVar("WHISPER158_MODEL")
    if path:
        whisper158_use_file(path, d)
    elif not name:
        raise bb.parse.SkipRecipe(
            "WHISPER158_MODEL is empty: set it to the name of a model of the layer, or WHISPER158_MODEL_FILE to a file")
    elif not d.getVar("WHISPER158_MODEL_SHA256"):
        raise bb.parse.SkipRecipe(
            f"the layer has no model {name} (WHISPER158_MODEL): ./inv model.install puts one there, "
            "and WHISPER158_MODEL_FILE takes any other file")
    if not re.fullmatch("[0-9a-f]{64}", d.getVar("WHISPER158_MODEL_SHA256")):
        raise bb.parse.SkipRecipe("WHISPER158_MODEL_SHA256 must be the 64 digits that sha256sum prints for the model")
}

def whisper158_use_file(path, d):
    """Makes the file at `path` what is fetched."""
    import re

    if not os.path.isabs(path) or not re.fullmatch(r"[\w.+-]+\.w158", os.path.basename(path), re.ASCII):
        raise bb.parse.SkipRecipe(
            f"WHISPER158_MODEL_FILE is {path!r}, and must be the absolute path of a file with a plain name that ends in .w158")
    # Else BitBake would remember for ever that it was not there.
    bb.parse.mark_dependency(d, path)
    if not os.path.isfile(path):
        raise bb.parse.SkipRecipe(f"there is no file {path} (WHISPER158_MODEL_FILE)")
    licence = d.getVar("WHISPER158_MODEL_LICENSE")
    d.setVar("SRC_URI", "file://" + os.path.basename(path))
    d.prependVar("FILESEXTRAPATHS", os.path.dirname(path) + ":")
    d.setVar("DESCRIPTION", "A model from outside the layer, " + os.path.basename(path))
    if licence != "CLOSED":
        texts = [os.path.join(d.getVar("COMMON_LICENSE_DIR"), word) for word in re.findall(r"[\w.+-]+", licence)]
        absent = [text for text in texts if not os.path.isfile(text)]
        if absent:
            raise bb.parse.SkipRecipe(
                f"WHISPER158_MODEL_LICENSE is {licence!r}, and of {os.path.basename(absent[0])} there is no text in "
                + d.getVar("COMMON_LICENSE_DIR"))
        d.setVar("LIC_FILES_CHKSUM", " ".join(f"file://{text};md5={bb.utils.md5_file(text)}" for text in texts))

do_configure[noexec] = "1"

# What is checked is the model itself, not the compressed file, so this holds for whatever way it came.
python do_compile() {
    path = os.path.join(d.getVar("S"), d.getVar("MODEL_NAME") + ".w158")
    found = bb.utils.sha256_file(path)
    if found != d.getVar("WHISPER158_MODEL_SHA256"):
        bb.fatal(f"{path} has the sha256 {found}, and WHISPER158_MODEL_SHA256 says {d.getVar('WHISPER158_MODEL_SHA256')}: "
                 "it is another model, or damaged")
}

do_install() {
    install -D -m 0644 ${S}/${MODEL_NAME}.w158 ${D}${datadir}/whisper158/${MODEL_NAME}.w158
    if [ ${MODEL_NAME} != default ]; then
        ln -s ${MODEL_NAME}.w158 ${D}${datadir}/whisper158/default.w158
    fi
}

FILES:${PN} = "${datadir}/whisper158"

# A service that runs has the earlier model mapped until it is started anew; in an image that is being made, none runs.
pkg_postinst:${PN}() {
    if [ -z "$D" ] && command -v systemctl >/dev/null; then
        systemctl --quiet --no-block try-restart whisper158d.service || true
    fi
}
