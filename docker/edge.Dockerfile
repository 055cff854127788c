# An edge: OpenResty, and the Python that writes its configuration (`manage.py run_edge`).
FROM openresty/openresty:1.27.1.2-bookworm-fat AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/runtime.txt /tmp/runtime.txt
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/runtime.txt

FROM openresty/openresty:1.27.1.2-bookworm-fat
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/cirrus cirrus \
    && install -d -o cirrus -g cirrus /var/lib/cirrus
COPY --from=build /venv /venv
WORKDIR /cirrus
COPY manage.py ./
COPY accounts ./accounts
COPY alarms ./alarms
COPY api ./api
COPY certificates ./certificates
COPY cirrus_site ./cirrus_site
COPY configuration ./configuration
COPY dnszones ./dnszones
COPY domains ./domains
COPY edge ./edge
COPY nodes ./nodes
ENV PATH=/venv/bin:/usr/local/openresty/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CIRRUS_VAR_DIR=/var/lib/cirrus \
    CIRRUS_EDGE_BIND=0.0.0.0 \
    CIRRUS_EDGE_HTTP_PORT=8080 \
    CIRRUS_EDGE_HTTPS_PORT=8443 \
    CIRRUS_EDGE_STATUS_BIND=0.0.0.0 \
    CIRRUS_EDGE_ACCESS_LOG=/dev/stdout
USER cirrus
VOLUME /var/lib/cirrus
EXPOSE 8080 8443 9145
STOPSIGNAL SIGQUIT
ENTRYPOINT ["python", "manage.py", "run_edge"]
CMD ["--node", "edge-1"]
