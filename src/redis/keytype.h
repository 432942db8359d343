/* SPDX-License-Identifier: BSD-2-Clause */
/* What types and encodings of keys mean for the commands that look at them. */
#pragma once

/* The command that tells the number of elements (bytes of a string); NULL for a module's type. */
const char *keytype_length_command(const char *type);

/*
 * The type that alone can have @encoding, NULL where several can ("hashtable",
 * "listpack"). "raw" is also what OBJECT ENCODING says of every module's value
 * (createModuleObject(), src/object.c): it means a string only without modules.
 */
const char *keytype_of_encoding(const char *encoding);
