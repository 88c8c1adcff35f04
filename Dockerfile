# The page as a container: docker build -t vip . && docker run --rm -p 127.0.0.1:7860:7860 vip
FROM python:3.11-slim

# Not root; the same number as a Hugging Face Space uses.
RUN useradd --create-home --uid 1000 vip
WORKDIR /home/vip/app

# The packages first, so that a change of the code does not install them again. PyTorch without CUDA, to save gigabytes.
COPY requirements.txt .
RUN pip install --no-cache-dir "torch>=2.6,!=2.13.*" "torchvision>=0.21" \
        --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -r requirements.txt

# What is served belongs to root: the page itself cannot change it.
COPY . .
USER vip

ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860 PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/', timeout=10)"]

# In this form the process gets the signal of `docker stop`, and deletes the uploads.
CMD ["python", "app.py"]
