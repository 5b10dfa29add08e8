# LMTX Studio on a CPU. Build and run:
#   docker build -t lmtx-studio .
#   docker run --rm -p 127.0.0.1:8501:8501 -v lmtx-data:/data lmtx-studio
FROM python:3.11-slim

# PyTorch's own CPU wheels; `--build-arg TORCH_INDEX=` takes the registry's CUDA build instead.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 \
    LMTX_HOME=/data/workspaces LMTX_IMPORT_DIR=/data/import HOME=/data PORT=8501

RUN useradd --uid 10001 --home-dir /data --no-create-home lmtx \
    && mkdir -p /data/workspaces /data/import \
    && chown -R lmtx /data
WORKDIR /srv/lmtx

COPY requirements.txt ./
RUN pip install $(sed -n 's/^\(torch==.*\)/\1/p' requirements.txt) ${TORCH_INDEX:+--index-url $TORCH_INDEX} \
    && pip install -r requirements.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY .streamlit ./.streamlit
COPY lmtx ./lmtx
COPY app ./app
COPY pages ./pages
COPY demo ./demo
RUN pip install --no-deps --editable .

USER lmtx
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD python -c "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/_stcore/health', timeout=4)"
# All interfaces inside the container; the documented `docker run` publishes the port on the host's loopback only.
CMD ["lmtx", "app", "--address", "0.0.0.0"]
