"""Updates: a signed manifest, versions side by side, one link that says which is used."""
