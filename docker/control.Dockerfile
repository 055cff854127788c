# The control plane: web, worker and beat, by command (compose.yml has all three).
FROM python:3.13-slim-bookworm AS build
COPY requirements/runtime.txt /tmp/runtime.txt
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/runtime.txt

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/cirrus cirrus \
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
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CIRRUS_VAR_DIR=/var/lib/cirrus \
    CIRRUS_WEB_BIND=0.0.0.0
USER cirrus
VOLUME /var/lib/cirrus
EXPOSE 8000
CMD ["gunicorn", "-c", "python:cirrus_site.gunicorn_conf", "cirrus_site.wsgi"]
