/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * What json-c leaves to its caller: numbers with a sensible number of digits, and strings that are UTF-8 for certain,
 * since file names and the contents of a model may be any bytes.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stddef.h>
#include <stdio.h>

#include <json-c/json.h>

/* A string of `length` bytes; what is not UTF-8 becomes U+FFFD. */
struct json_object *json_text(const char *bytes, size_t length);

/* A number as printf prints it with `format` (static storage), or null if it is not finite. */
struct json_object *json_number(double value, const char *format);

/* Adds `value` to the object, or releases it where either could not be made. */
void json_put(struct json_object *object, const char *key, struct json_object *value);

/* Prints the object on one line and releases it. Returns 0 or -ENOMEM; errors of the stream stay with the stream. */
int json_print(FILE *stream, struct json_object *object);

#endif
