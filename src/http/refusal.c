/*
 * Makes a refusal out of a request. See refusal.h.
 */
#include "http/refusal.h"

#include "core/id.h"
#include "http/router.h"

/* What the path names by its id, else the admin key that was used: of names, the fault tells. */
static void name_object(const struct tk_request *request, struct tk_refusal *refusal)
{
        static const struct {
                enum tk_id_kind id;
                enum tk_object object;
        } kinds[] = {{TK_ID_KEY, TK_OBJECT_KEY},
                     {TK_ID_CONSUMER, TK_OBJECT_CONSUMER},
                     {TK_ID_SUBSCRIPTION, TK_OBJECT_SUBSCRIPTION}};
        for (size_t i = 0; request->params[0].ptr && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                refusal->object = kinds[i].object;
                if (tk_id_parse(kinds[i].id, request->params[0], &refusal->object_id))
                        return;
        }
        refusal->object = TK_OBJECT_KEY;
        if (!tk_id_parse(TK_ID_KEY, refusal->actor, &refusal->object_id))
                refusal->object_id = 0;
}

void tk_refusal_note(struct tk_request *request, struct tk_str actor)
{
        enum tk_fault_code code = request->fault.code;
        if (!actor.ptr || !request->route || (code != TK_FAULT_forbidden && code != TK_FAULT_last_admin))
                return;
        struct tk_refusal refusal = {
                .actor = actor,
                .source = tk_str_from(request->peer->source),
                .method = request->route->method,
                .route = request->route->path,
                .fault = &request->fault,
        };
        name_object(request, &refusal);
        tk_service_note_refusal(request->service, &refusal);
}
