"""How vip-mini is made: phrases, distillation of the text tower, alignment of the image tower, its evaluation."""
