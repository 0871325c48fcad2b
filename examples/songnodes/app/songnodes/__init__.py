"""The three services of songnodes: api-gateway-internal, dlq-manager, metadata-enrichment."""
