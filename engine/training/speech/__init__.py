"""Makes and checks speech corpora: `visema corpus`."""
