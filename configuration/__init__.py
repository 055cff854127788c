"""The whole configuration as one document: exported, planned and applied.

    {"version": 1, "regions": […], "nodes": […], "authorities": […], "zones": […], "domains": […],
     "secondaries": […]}

Each item is what the API takes at its own address, with its parts in it; a field that is left out has its
default. A section that is left out is not touched. What is applied is applied in one transaction, and what
says what is there already changes nothing: no revision, no build of a zone.

    sections.py      which sections there are, and how their items are read and written
    serializers.py   what items have beside the fields of the API
    exporting.py     from SQL to the document
    secrets.py       where secrets come from: they are in no export
    comparing.py     two documents → what is created, changed and removed (pure)
    applying.py      from the document to SQL, guarded
    paths.py         where something stands in the document
    files.py         YAML and JSON
"""
