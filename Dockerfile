# The page as a container: docker build -t vip . && docker run --rm -p 127.0.0.1:7860:7860 vip
FROM python:3.11.16-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

# Not root; the same number as a Hugging Face Space uses.
RUN useradd --create-home --uid 1000 vip
WORKDIR /home/vip/app

# The packages first, so that a change of the code does not install them again. PyTorch without CUDA, to save gigabytes.
# The rest by hash (`make lock` renews the file).
COPY requirements-torch.txt requirements.lock ./
RUN pip install --no-cache-dir --no-deps -r requirements-torch.txt --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements.lock

# What is served belongs to root: the page itself cannot change it.
COPY . .
USER vip

ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/', timeout=10)"]

# In this form the process gets the signal of `docker stop`, and deletes the uploads.
CMD ["python", "app.py"]
