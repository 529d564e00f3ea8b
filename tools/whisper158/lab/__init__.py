# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The low-bit laboratory: post-training quantisation of speech models, method against method (docs/lab.md).

grid, codes     what quantised weights are, and how many bits they take
fit, feedback   scales of a matrix; codes by those scales
stage, seen     a model as a row of stages; what their linear layers read
method          the one interface of the methods in methods/, and the walk that applies one to a model
"""
