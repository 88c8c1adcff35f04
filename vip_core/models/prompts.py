"""The two prompts that are trained: the context before every symptom, and the merge of a class's symptoms."""

import torch
from torch import Tensor, nn

CONTEXT_LENGTH = 4  # M of the paper


class ContextPrompt(nn.Module):
    """Learnable vectors in place of the words before a symptom.

    Args:
        length: M, the number of vectors; 4 in the paper.
        width: W, the width of the text tower's token embeddings.
        classes: None for one set shared by all symptoms, as in the paper, or the number of classes for one set each.
        std: standard deviation of the random start; 0.02 in the paper, the scale of CLIP's token embeddings.
    """

    def __init__(self, length: int, width: int, classes: int | None = None, std: float = 0.02):
        super().__init__()
        shape = (length, width) if classes is None else (classes, length, width)
        self.vectors = nn.Parameter(torch.empty(shape))  # (M, W) or (C, M, W)
        nn.init.normal_(self.vectors, std=std)

    def forward(self, counts: list[int]) -> Tensor:
        """The context of n symptoms: (M, W) where it is shared, else (n, M, W). counts: symptoms per class."""
        if self.vectors.ndim == 2:
            return self.vectors
        return self.vectors.repeat_interleave(torch.tensor(counts, device=self.vectors.device), dim=0)


class MergePrompt(nn.Module):
    """One learnable token per class, which attends to the class's symptoms and is added to what it finds.

        a_c = softmax((T_c W_k^T)(W_q p_c) / sqrt(D)) over the symptoms of class c
        g_c = p_c + sum_j a_cj T_cj

    (Fang et al., MICCAI 2024.) No value or output projection, one head, no norm, no dropout. W_q and W_k are shared by
    the classes and sized by the embedding dimension D, so towers whose text width differs from D work.

    Args:
        classes: C.
        dimension: D.
    """

    def __init__(self, classes: int, dimension: int):
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(classes, dimension))  # (C, D)
        self.query = nn.Linear(dimension, dimension, bias=False)
        self.key = nn.Linear(dimension, dimension, bias=False)
        nn.init.normal_(self.tokens, std=0.02)
        nn.init.xavier_normal_(self.query.weight)
        nn.init.xavier_normal_(self.key.weight)

    def forward(self, text: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Merge the symptoms of each class.

        Args:
            text: text features (C, m, D), not normalised, padded to the largest class.
            present: (C, m), False where padded.

        Returns:
            The merged features g (C, D), and the attention a (C, m), which is 0 where padded.
        """
        query = self.query(self.tokens).unsqueeze(-1)  # (C, D, 1)
        scores = (self.key(text) @ query).squeeze(-1) / text.shape[-1] ** 0.5  # (C, m)
        attention = scores.masked_fill(~present, float("-inf")).softmax(dim=-1)
        merged = self.tokens + torch.einsum("cm,cmd->cd", attention, text)
        return merged, attention
