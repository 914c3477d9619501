"""OpenVLA and OpenVLA-OFT: two vision towers and Llama-2, as published, with actions read off slots of the sequence.

Kim et al. 2024, "OpenVLA: An Open-Source Vision-Language-Action Model" (arXiv 2406.09246), and Kim et al. 2025,
"Fine-Tuning Vision-Language-Action Models: Optimizing Speed and Success" (arXiv 2502.19645), OFT below.
"""
