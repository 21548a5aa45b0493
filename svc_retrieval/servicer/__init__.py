"""The gRPC side of retrieval: translate, call, translate."""
