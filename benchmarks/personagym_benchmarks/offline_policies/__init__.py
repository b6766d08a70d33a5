"""The comparison of offline policies: what a log alone can teach, with the same random draws for all."""
