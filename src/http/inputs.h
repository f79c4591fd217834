/*
 * Readers of the parts that several bodies share: lists of limits, the restrictions of a key, environments. For the tables
 * of json_read.h. Any thread.
 */
#ifndef TK_HTTP_INPUTS_H
#define TK_HTTP_INPUTS_H

#include "http/json_read.h"

/* Of a new environment, by itself or with its API: fills a struct tk_input_environment. */
extern const struct tk_json_shape tk_json_environment_shape;

enum tk_err tk_json_read_limits(struct tk_json_reader *reader, const json_t *value,
                                void *ret_limits); /* tk_input_limits */
/* Fills cidrs, origins, methods and paths of a struct tk_input_key; its table gives offset 0. */
enum tk_err tk_json_read_restrictions(struct tk_json_reader *reader, const json_t *value, void *ret_key);

#endif
