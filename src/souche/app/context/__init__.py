"""What every use-case needs: the region and its transaction, look-ups, pages, limits of texts. It knows no use-case;
the files beside this package do."""
