# The serving image: the plain install, without torch. docs/deployment.md tells how to run it.
# To train, `pip install '.[train]'` on a machine with the data; the image only serves.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml README.md ./
COPY cli ./cli
COPY loadtest ./loadtest
COPY model_store ./model_store
COPY proto ./proto
COPY service ./service
COPY steering ./steering
COPY training ./training
RUN python -m venv /opt/steerrec && /opt/steerrec/bin/pip install --quiet .
# made here, so that the last stage needs no command; a named volume takes its owner from it; any
# uid of group 0 may write too, as OpenShift runs containers
RUN mkdir -p /data/steerrec && chmod 775 /data/steerrec

FROM python:3.11-slim
COPY --from=build /opt/steerrec /opt/steerrec
COPY --from=build --chown=10001:0 /data /var/lib
ENV PATH=/opt/steerrec/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    STEERREC_BIND=0.0.0.0:50051 \
    STEERREC_METRICS_BIND=0.0.0.0:9464 \
    STEERREC_DATA_DIR=/var/lib/steerrec
WORKDIR /var/lib/steerrec
# a number, so that Kubernetes can see that it is not root
USER 10001:10001
EXPOSE 50051 9464
VOLUME /var/lib/steerrec
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "service.healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["steerrec"]
CMD ["serve"]
