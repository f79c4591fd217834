/*
 * The decision on a request: one table of codes in the order in which their checks run (DESIGN.md section 5). It
 * generates the names, the HTTP statuses, the documentation and the metrics.
 */
#ifndef TK_CORE_DECISION_H
#define TK_CORE_DECISION_H

/* code, HTTP status, what it means to the caller */
#define TK_DECISIONS(X)                                                                                      \
        X(missing_key, 401, "No key was presented.")                                                         \
        X(malformed, 401, "What was presented is not a key.")                                                \
        X(unknown, 401, "There is no such key.")                                                             \
        X(revoked, 401, "The key was revoked.")                                                              \
        X(suspended, 403, "The key, its consumer, its subscription or its API is suspended.")                \
        X(not_yet_valid, 401, "The key is not valid yet.")                                                   \
        X(expired, 401, "The key has expired.")                                                              \
        X(wrong_environment, 403, "The key belongs to another environment or API.")                          \
        X(restricted, 403,                                                                                   \
          "The key may not be used from this address or origin, or for this method or path.")                \
        X(insufficient_scope, 403, "The key lacks a required scope.")                                        \
        X(rate_limited, 429, "A rate limit is exceeded.")                                                    \
        X(quota_exceeded, 429, "A quota is used up for its period.")                                         \
        X(credits_exhausted, 402, "The prepaid credits are used up.")                                        \
        X(unavailable, 503, "The gate cannot decide now.")                                                   \
        X(valid, 200, "The key is valid and the request is within its limits.")

enum tk_code {
#define X(code, status, text) TK_CODE_##code,
        TK_DECISIONS(X)
#undef X
                TK_CODE_COUNT
};

/* "rate_limited". Static storage. Out of range: "invalid_code", 500. */
const char *tk_code_name(enum tk_code code);
int tk_code_http_status(enum tk_code code);
const char *tk_code_text(enum tk_code code);

#endif
