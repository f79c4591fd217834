/*
 * The end of serving: no new connections, but an answer to every request that has come. Called once, by tk_server_stop().
 */
#ifndef TK_HTTP_DRAIN_H
#define TK_HTTP_DRAIN_H

struct tk_server;

/*
 * Let in the connections that wait to be accepted, refuse later ones, and wait until what has come is answered, at most
 * grace_s seconds (0: not at all). For a request that is still coming, and for a connection that has said nothing yet, it
 * waits less. An idle connection may still lose the request that its client sends at this moment: that is HTTP's
 * own race, which clients know (RFC 9112, section 9.3.1).
 */
void tk_drain(struct tk_server *server, unsigned grace_s);

#endif
