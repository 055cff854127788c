"""The machinery of the API, which knows no resource. Resources stand in each app's `api.py`:

    class RegionSerializer(ModelSerializer[Region]):      # api.serializers: runs full_clean(), and refuses
        class Meta:                                       # fields that are not there
            model = Region
            fields = ["name", "title"]

    class RegionViewSet(ResourceViewSet):                 # api.viewsets; ReadViewSet where it is only read
        resource = "nodes"                                # of the scopes: nodes:read, nodes:write
        queryset = Region.objects.all()
        serializer_class = RegionSerializer
        lookup_field = "name"                             # natural keys in addresses
        put_creates = True                                # PUT to a name that is not there makes it
        domain_path = None                                # where the domain's host is ("domain__host"):
                                                          # tokens that are limited to domains see only theirs
        ordering = ["name"]                               # the primary key is added by itself
        ordering_fields = ["name"]                        # what ?ordering= may say (no column with NULLs)
        search_fields = ["name", "title"]
        filterset_fields = ["title"]                      # or filterset_class: a FilterSet of api.filters
        unversioned = ["seen_at"]                         # fields that If-Match does not look at
        example = {"name": "eu-west", "title": "…"}       # for the OpenAPI document; a test asks for it

        @action(detail=True, methods=["post"], serializer_class=ReasonSerializer)
        def drain(self, request, *args, **kwargs):        # needs nodes:write and nodes.change_region, unless
            def change():                                 # action_rights = {"drain": ["app.codename"]}
                region = self.locked()                    # under a lock, with If-Match held
                region_drain(region=region, by=who(request))
                return region                             # or (row, 201), or None: 204
            return self.carry_out(change)                 # one transaction; ?dry_run=true rolls it back

Then a line in RESOURCES (cirrus_site/api_urls.py), and one in tests/api/matrix.py. Hooks of a serializer,
each of which calls a service: `insert(instance)`, `save_changes(instance, changed)`, and
`save_related(instance, related)` (many-to-many and nested documents); of a viewset: `perform_create`,
`perform_update` (return the row) and `perform_destroy`. A service that speaks to the network is called after
the transaction, by `on_commit`, or in none: the action is named in `asks_others`.

What comes by itself: authentication, scopes, rights and limits of tokens; throttles; If-Match, If-None-Match
and 304; a PUT that changes nothing writes nothing; the entries of the portal's History pages (a view with a
transaction of its own takes `api.history.atomic`); Idempotency-Key (a response may have `stored`: what is
kept in place of data that tells a secret); pages by cursor; every error as a problem (raise `CirrusError`s:
permanent → 409, else 503; `forbidden = True` in the class → 403). Long work: `operation_begin`
(api.operations). What a dry run tells about documents and zones is registered with `api.dry_run.register`.
Limits of bodies: `body_limit`.
"""
