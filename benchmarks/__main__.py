"""Print every table of the benchmark, as Markdown."""

import torch

from benchmarks import extractor, pipeline

torch.set_num_threads(extractor.THREADS)
extractor.main()
pipeline.main()
