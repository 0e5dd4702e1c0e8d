"""The page `blocking.html`: the room through the strategy `blocking`."""

from demo.room_page import RoomPage

RoomPage("blocking").open()
