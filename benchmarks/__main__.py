"""Print every table of the benchmark, as Markdown."""

import torch

from benchmarks import extractor, ingestion, pipeline, vectors

torch.set_num_threads(extractor.THREADS)
extractor.main()
ingestion.main()
vectors.main()
pipeline.main()
