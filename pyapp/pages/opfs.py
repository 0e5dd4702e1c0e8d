"""The page `opfs.html`: the room through the strategy `opfs`."""

from demo.room_page import RoomPage

RoomPage("opfs").open()
