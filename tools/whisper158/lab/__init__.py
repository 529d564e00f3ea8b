# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The low-bit laboratory: post-training quantisation of speech models, method against method (docs/lab.md).

grid, codes     what quantised weights are, and how many bits they take
fit, feedback   scales of a matrix, and codes by them; rounding that makes good what it loses
stage, seen     a model as a row of stages; what their linear layers read
families/       Whisper as such a row
soft            what methods that learn have in common
method          the one interface of the methods in methods/, and the walk that applies one to a model
cost            bytes, memory traffic and bit operations of the result
"""
