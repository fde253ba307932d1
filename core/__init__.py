"""Ridgeway: one LLM router for many private prompt owners (IR3DE, arXiv 2606.06098)."""

import os
import sys

__version__ = "0.1.0"

# gRPC reads this once, when it is first imported, so it has to be set before anything of Ridgeway imports gRPC;
# `ridgeway.runtime.tls` says what it is for, and refuses to run without it.
TLS_1_2_SUITES = "ECDHE-RSA-AES256-GCM-SHA384"
if "grpc" not in sys.modules:
    os.environ["GRPC_SSL_CIPHER_SUITES"] = TLS_1_2_SUITES
