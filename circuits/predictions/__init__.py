"""Anatomical predictions as experiments: a file each, a verdict each, one page for all."""
