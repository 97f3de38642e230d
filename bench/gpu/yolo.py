"""YOLOv8n as PyTorch computes it, boxes decoded, with weights that are made up."""
import torch
from torch import nn


class Conv(nn.Module):
    """Convolution, its batch norm folded in, and SiLU."""

    def __init__(self, channels, filters, size=1, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, size, stride, size // 2)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x):
        return self.act(self.conv(x))


class Bottleneck(nn.Module):
    def __init__(self, channels, shortcut):
        super().__init__()
        self.first, self.second, self.shortcut = Conv(channels, channels, 3), Conv(channels, channels, 3), shortcut

    def forward(self, x):
        y = self.second(self.first(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    def __init__(self, channels, filters, blocks, shortcut):
        super().__init__()
        half = filters // 2
        self.first, self.last = Conv(channels, 2 * half), Conv(half * (2 + blocks), filters)
        self.blocks = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(blocks))

    def forward(self, x):
        parts = list(self.first(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.last(torch.cat(parts, 1))


class Pools(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last, self.pool = Conv(256, 128), Conv(512, 256), nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        parts = [self.first(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.last(torch.cat(parts, 1))


class Yolov8n(nn.Module):
    """With `decodes` off, up to the six results of the detector's branches."""

    def __init__(self, decodes=True):
        super().__init__()
        self.decodes = decodes
        self.stages = nn.ModuleList([
            nn.Sequential(Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), C2f(32, 32, 1, True), Conv(32, 64, 3, 2), C2f(64, 64, 2, True)),
            nn.Sequential(Conv(64, 128, 3, 2), C2f(128, 128, 2, True)),
            nn.Sequential(Conv(128, 256, 3, 2), C2f(256, 256, 1, True), Pools()),
        ])
        self.down = nn.ModuleList([C2f(384, 128, 1, False), C2f(192, 64, 1, False)])
        self.up = nn.ModuleList([Conv(64, 64, 3, 2), C2f(192, 128, 1, False), Conv(128, 128, 3, 2), C2f(384, 256, 1, False)])
        self.boxes, self.classes = (nn.ModuleList(self.head(channels, width) for channels in (64, 128, 256)) for width in (64, 80))

        points = [torch.stack(torch.meshgrid(*[torch.arange(0.5, 640 // stride)] * 2, indexing="xy")).reshape(2, -1) for stride in (8, 16, 32)]
        self.register_buffer("points", torch.cat(points, 1))
        self.register_buffer("strides", torch.cat([torch.full((size.shape[1],), stride) for size, stride in zip(points, (8.0, 16.0, 32.0))]))
        self.register_buffer("bins", torch.arange(16.0).reshape(1, 16, 1, 1))

    @staticmethod
    def head(channels, width):
        return nn.Sequential(Conv(channels, width, 3), Conv(width, width, 3), nn.Conv2d(width, width, 1))

    def forward(self, x):
        fine = self.stages[0](x)
        middle = self.stages[1](fine)
        coarse = self.stages[2](middle)
        twice = lambda y: nn.functional.interpolate(y, scale_factor=2.0, mode="nearest")
        joined = self.down[0](torch.cat((twice(coarse), middle), 1))
        small = self.down[1](torch.cat((twice(joined), fine), 1))
        medium = self.up[1](torch.cat((self.up[0](small), joined), 1))
        large = self.up[3](torch.cat((self.up[2](medium), coarse), 1))
        if not self.decodes:
            return [branch(y) for y, boxes, classes in zip((small, medium, large), self.boxes, self.classes) for branch in (boxes, classes)]
        scales = [torch.cat((boxes(y), classes(y)), 1).flatten(2) for y, boxes, classes in zip((small, medium, large), self.boxes, self.classes)]
        sides, scores = torch.cat(scales, 2).split((64, 80), 1)
        sides = (sides.unflatten(1, (4, 16)).transpose(1, 2).softmax(1) * self.bins).sum(1)
        low, high = sides.chunk(2, 1)
        low, high = self.points - low, self.points + high
        return torch.cat((torch.cat(((low + high) / 2, high - low), 1) * self.strides, scores.sigmoid()), 1)
