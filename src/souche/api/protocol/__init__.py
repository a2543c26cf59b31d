"""From a request to its answer: shapes, filters, pages, errors and cached JSON. It knows no resource; the files beside
this package do."""
