// TLS sessions that a client goes on with.
#ifndef PROVHUB_COMMON_TLS_SESSION_CACHE_H_
#define PROVHUB_COMMON_TLS_SESSION_CACHE_H_

struct grpc_ssl_session_cache;

namespace grpc {
class ChannelArguments;
}

namespace provhub::tls {

// What a server has handed out for the next handshake with it (RFC 8446 §2.2), which then needs no signature and no
// certificates: a third of the processor time, on both sides. In memory only.
//
// A session goes on with the certificates that were shown when it began: for one server and one identity of the client.
// gRPC keeps sessions with servers that are asked for by name, not by IP address. Thread-safe.
class SessionCache {
 public:
    SessionCache();
    ~SessionCache();
    SessionCache(const SessionCache&) = delete;
    SessionCache& operator=(const SessionCache&) = delete;

    // Channels with these arguments use this cache, and keep it alive.
    void AddTo(grpc::ChannelArguments& arguments) const;

 private:
    grpc_ssl_session_cache* const cache_;
};

}  // namespace provhub::tls

#endif  // PROVHUB_COMMON_TLS_SESSION_CACHE_H_
