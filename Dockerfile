# docker build -t seq2seq-lab .
# docker run --rm -v "$PWD/outputs:/lab/outputs" seq2seq-lab train model=lstm_attn
# For a small image without CUDA name the index of torch's CPU builds: --build-arg PIP_EXTRA_INDEX_URL=URL
FROM python:3.11-slim
ARG PIP_EXTRA_INDEX_URL=
ARG EXTRAS=fonts,spacy,sweep
COPY constraints.txt /tmp/
RUN pip install --no-cache-dir "$(grep '^torch==' /tmp/constraints.txt)"
COPY . /tmp/source
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt "/tmp/source[${EXTRAS}]" \
    && rm -r /tmp/source /tmp/constraints.txt \
    && useradd --create-home --home-dir /lab lab
USER lab
WORKDIR /lab
ENTRYPOINT ["seq2seq-lab"]
CMD ["--help"]
