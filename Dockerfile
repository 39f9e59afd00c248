# docker build -t seq2seq-lab .
# docker run --rm -v "$PWD/outputs:/lab/outputs" seq2seq-lab train model=lstm_attn
# For a small image without CUDA name the package index of torch's CPU builds: --build-arg TORCH_INDEX=URL
FROM python:3.11-slim
ARG TORCH_INDEX=
ARG EXTRAS=fonts,spacy,sweep
COPY constraints.txt /tmp/
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' /tmp/constraints.txt)"
COPY . /tmp/source
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt "/tmp/source[${EXTRAS}]" \
    && rm -r /tmp/source /tmp/constraints.txt \
    && useradd --create-home --home-dir /lab lab
USER lab
WORKDIR /lab
ENTRYPOINT ["seq2seq-lab"]
CMD ["--help"]
